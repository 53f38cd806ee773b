"""translation.mode: auto, on a tiny phantom: candidates are tried, one is chosen, and later stages follow it."""

import json
import shutil

import pytest

from gbaseg.self_training.label_free import Rated
from gbaseg.stages import choose_translation
from gbaseg.workflow import trials

pytestmark = pytest.mark.pipeline

CANDIDATES = ["none", "histogram", "randomise", "cyclegan_0", "cyclegan_1"]


@pytest.fixture(scope="module")
def project(new_project):
    changes = {
        "translation.mode": "auto",
        "translation.auto.cyclegan_runs": 2,
        "translation.auto.epochs": 1,
        "translation.auto.seeds": 2,
        "survey.lambdas": [1.5],
    }
    project = new_project("tiny", changes)
    project.stages(stop="choose-translation")
    return project


def read(project, path):
    return json.loads((project.folder / path).read_text())


def test_every_candidate_has_a_model_of_its_own(project):
    models = project.folder / "models/translation"
    assert sorted(path.name for path in models.iterdir()) == sorted(CANDIDATES)
    first, second = ((models / name / "generators.safetensors").read_bytes() for name in CANDIDATES[3:])
    assert first != second
    assert len(list((project.folder / "metrics/curves/translation/cyclegan_1").iterdir())) > 0


def test_one_is_chosen_without_labels_and_used(project):
    shutil.rmtree(project.folder / "data/scoring")
    said = project.call("choose-translation")
    choice, metrics = read(project, "data/decisions/translation.json"), read(project, "metrics/choice.json")
    assert list(metrics["candidates"]) == CANDIDATES and choice["name"] == metrics["chosen"]
    scores = {name: one["score"] for name, one in metrics["candidates"].items()}
    # Trainings of one epoch: next to nothing is found, nor told apart.
    assert max(scores.values()) < 0.2 and choice["name"] == "randomise"
    assert metrics["seconds"] > 0 and f"translation: {choice['name']}, " in said
    project.stages(start="translate", stop="pseudo-label")
    mode = read(project, f"models/translation/{choice['name']}/mode.json")["mode"]
    assert mode == choice["mode"]
    assert read(project, "models/segmentation/survey/round.json")["trained_in"] == "survey"


def test_what_was_trained_before_an_interruption_is_not_trained_again(project, monkeypatch):
    look = trials.look
    trained = []

    def broken_off(settings, models):
        trained.append({name: sorted(of(model)) for name, model in models.items()})
        if len(trained) == 1:
            raise KeyboardInterrupt
        return look(settings, models)

    def of(model):
        return [(path.name, path.stat().st_mtime_ns) for path in model.glob("fold_*.safetensors")]

    monkeypatch.setattr(trials, "look", broken_off)
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace("seeds: 2", "seeds: 3"))
    with pytest.raises((KeyboardInterrupt, AssertionError)):
        project.call("choose-translation")
    project.call("choose-translation")
    assert trained[0] == trained[1]
    assert [len(networks) for networks in trained[0].values()] == [3] * len(CANDIDATES)


def test_candidates_that_their_cases_do_not_tell_apart_are_said_to_be(project, monkeypatch):
    rated = Rated(0.5, 0.5, 1.0, (0.2, 0.3))
    monkeypatch.setattr(
        choose_translation, "rate_all", lambda settings, offered, work: {one.name: rated for one in offered}
    )
    params = project.folder / "params.yaml"
    params.write_text(params.read_text().replace("seeds: 3", "seeds: 4"))
    project.call("choose-translation")
    found = read(project, "metrics/choice.json")
    assert found["chosen"] == "randomise", "which leaves the images as they are"
    assert not found["trusted"] and "not told apart from cyclegan_0" in found["why"]
