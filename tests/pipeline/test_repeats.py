"""Two runs from nothing, one of them without the target's labels: equal weights, equal pseudo-labels."""

import json
import shutil

import pytest

from gbaseg.runtime.scratch import digest_of

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("tiny")]

TRAINED = ("models", "data/translated", "data/augmented", "data/pseudo_labelled")


def test_no_training_stage_can_see_the_targets_labels(tiny, new_project, monkeypatch):
    """The same seed in another folder, stage by stage in one process, and nowhere a label of the target.

    It proves both: that a run repeats to the last bit, and that what is trained does not depend on those labels.
    """
    blind = new_project("tiny")
    blind.stages(monkeypatch, stop="standardise")
    shutil.rmtree(blind.folder / "data/raw/phantom/target_labels")
    blind.stages(monkeypatch, start="standardise")

    for folder in TRAINED:
        assert digest_of([blind.folder / folder]) == digest_of([tiny.folder / folder]), folder
    assert json.loads((blind.folder / "metrics/data.json").read_text())["target_cases_with_scoring_labels"] == 0
    assert "VS" not in json.loads((blind.folder / "metrics/round_1.json").read_text())


def test_the_graph_gives_the_targets_labels_to_scoring_stages_alone(tiny):
    """What DVC lets each stage depend on; and of what scoring writes, training gets one bit a round."""
    import yaml

    stages = yaml.safe_load((tiny.folder / "dvc.lock").read_text())["stages"]
    readers = {name.split("@")[0] for name, stage in stages.items() if _depends(stage, "data/scoring")}
    assert readers == {"evaluate_survey", "evaluate", "baseline", "summarise"}
    scored = {out["path"] for name, stage in stages.items() if name.split("@")[0] in readers for out in stage["outs"]}
    to_training = {
        dep["path"]
        for name, stage in stages.items()
        if name.split("@")[0] not in readers
        for dep in stage.get("deps", [])
        if dep["path"] in scored
    }
    assert to_training == {"data/decisions/round_0.json"}
    verdict = json.loads((tiny.folder / "data/decisions/round_0.json").read_text())
    assert verdict == {"stop": False, "why": "rule agreement: not converged"}


def _depends(stage, path):
    return any(dep["path"] == path for dep in stage.get("deps", []))
