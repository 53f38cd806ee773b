"""A person rejects one pseudo-label and corrects another: what the next round learns from, what DVC makes anew."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gbaseg import volume
from gbaseg.commands.review import make_session
from gbaseg.params import load
from gbaseg.runtime.scratch import digest_of
from gbaseg.workflow import layout, training

pytestmark = pytest.mark.pipeline
MODEL = "models/segmentation/round_1"


@pytest.fixture(scope="module")
def reviewed(tiny, tmp_path_factory):
    """A copy of the tiny project in which round_0 was reviewed, and the names of the two cases."""
    folder = shutil.copytree(tiny.folder, tmp_path_factory.mktemp("reviewed") / "project", symlinks=True)
    project = type(tiny)(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        session = make_session(load(), "round_0")
        rejected, corrected = (item.case for item in session.items[:2])
        session.decide(rejected, "rejected", session.state()["mark"])
        copy = Path(session.edit(corrected)["mask"])
        mask = volume.read(copy)
        array = np.zeros_like(mask.array)
        array[4:8, 20:30, 20:30] = 1
        volume.write(mask.with_array(array), copy)
        session.take(corrected, session.state()["mark"])
        for item in session.items[2:]:
            session.decide(item.case, "accepted", session.state()["mark"])
    return project, rejected, corrected


def test_dvc_makes_the_next_round_anew_and_none_before(reviewed, tiny):
    project, *_ = reviewed
    assert tiny.run("dvc", "status").strip() == "Data and pipelines are up to date."
    changed = {line.rstrip(":") for line in project.run("dvc", "status").splitlines() if line[:1].strip()}
    assert {"adapt@round1", "train_segmentation@round1"} <= changed
    assert not {name for name in changed if name.endswith("round0") or "@" not in name}


def test_the_next_round_learns_from_what_was_left(reviewed, tiny):
    project, rejected, corrected = reviewed
    before = digest_of(
        [project.folder / "models/segmentation/round_0", project.folder / "data/pseudo_labelled/round_0"]
    )
    sets = []
    prepare = training.prepare
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "prepare", lambda items, *a, **k: (sets.append(items), prepare(items, *a, **k))[1])
        for command in ("adapt", "train-segmentation"):
            project.call(command, "round_1", "--last", "true")
        project.call("pseudo-label", "round_1")
    [found] = sets
    real = {
        item.name: item.label for item in found if "pseudo_labelled" in item.label.parts or "review" in item.label.parts
    }
    assert len(real) == 3 and rejected not in real
    assert real.pop(corrected).parent == layout.REVIEWED / "round_0"
    assert {label.parent for label in real.values()} == {layout.pseudo_labelled("round_0") / "standard"}
    counts = {"rejected": 1, "corrected": 1}
    for file in (f"{MODEL}/round.json", "metrics/proxies/round_1.json"):
        found = json.loads((project.folder / file).read_text())["review"]
        found.pop("accepted_though_doubtful", None)  # so few steps find little that the folds agree on
        assert found == counts
    assert digest_of([project.folder / MODEL]) != digest_of([tiny.folder / MODEL])
    after = digest_of([project.folder / "models/segmentation/round_0", project.folder / "data/pseudo_labelled/round_0"])
    assert before == after


def test_without_decisions_it_is_the_same_to_the_bit(reviewed, tiny):
    project, *_ = reviewed
    shutil.copyfile(tiny.folder / "review.yaml", project.folder / "review.yaml")
    for command in ("adapt", "train-segmentation"):
        project.call(command, "round_1", "--last", "true")
    project.call("pseudo-label", "round_1")
    for path in (MODEL, "data/adapted/round_1", "data/pseudo_labelled/round_1", "metrics/proxies/round_1.json"):
        assert digest_of([project.folder / path]) == digest_of([tiny.folder / path]), path
