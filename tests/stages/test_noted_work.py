"""What a stage writes into the ledger about its work."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from gbaseg import params
from gbaseg.cases import Case, write_table
from gbaseg.cost.counted import KINDS
from gbaseg.runtime.ledger import read_lines
from gbaseg.stages import pseudo_label, train_segmentation
from gbaseg.volume import Grid, Volume, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.verdict import Verdict

PRESETS = Path(__file__).parents[2] / "presets"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder with two standardised cases."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(PRESETS / "default.yaml", "params.yaml")
    cases = [Case(f"{domain}1", "p", "A", domain, "train", "", f"{domain}.nii.gz") for domain in ("source", "target")]
    for case in cases:
        write(Volume(np.zeros((6, 4, 4), np.float32), Grid((6, 4, 4), (1.0, 1.0, 1.0))), f"data/standard/{case.image}")
    write_table(cases, "data/standard")


def run(name, *, resumable=False, fails=False):
    with stage(name, {}, [], [Path("out")], resumable) as scratch:
        (scratch.work / "checkpoint").touch()
        if fails:
            raise KeyboardInterrupt
        scratch.output("out").touch()
    return read_lines()[-1]


@pytest.mark.parametrize("name", KINDS)
def test_a_stage_notes_what_its_work_is_counted_by(name):
    work = run(name)["work"]
    assert params.check(work["params"]) == params.load()
    assert work["size"] == {"source": 1, "target": 1, "held_out": 0, "slices": 6, "copies": 0.0}


def test_the_parameters_are_those_that_it_began_with():
    with stage("survey", {}, [], [Path("out")]) as scratch:
        scratch.output("out").touch()
        shutil.copyfile("params.yaml", "old.yaml")
        Path("params.yaml").write_text("seed: 7\n")
    assert params.check(read_lines()[-1]["work"]["params"]) == params.load(Path("old.yaml"))


def test_a_resumed_stage_did_not_do_all_of_its_work():
    with pytest.raises(KeyboardInterrupt):
        run("survey", resumable=True, fails=True)
    line = run("survey", resumable=True)
    assert line["found_done"] == ["resumed"] and "work" not in line
    assert "found_done" not in run("survey", resumable=True)


def test_what_it_was_computed_on_is_noted(monkeypatch):
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    line = run("evaluate/round_0")
    assert (line["device"], line["cpus"], line["threads"]) == ("cpu", 8, 1)


def test_a_stage_that_is_not_counted_needs_no_parameters():
    Path("params.yaml").unlink()
    assert not {"work", "found_done"} & run("evaluate/round_0").keys()


def test_a_round_that_passes_its_model_and_labels_on_did_none():
    for folder in ("translated", "augmented", "adapted/round_1", "pseudo_labelled/round_0"):
        Path("data", folder).mkdir(parents=True)
    for folder in ("models/segmentation/round_0", "data/pseudo_labelled/round_0"):
        write_json(Path(folder) / "round.json", {"trained_in": "round_0", "fine_grid": False, "passed_on": False})
    Verdict(stop=True).write(layout.decision("round_0"))
    train_segmentation.run("round_1")
    pseudo_label.run("round_1")
    assert [(line["stage"], line["found_done"], "work" in line) for line in read_lines()] == [
        ("train_segmentation/round_1", ["passed on"], False),
        ("pseudo_label/round_1", ["passed on"], False),
    ]
