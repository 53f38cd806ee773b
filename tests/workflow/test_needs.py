"""Where a stage's tasks go, and what they ask for there by the cost model."""

from pathlib import Path

import pytest

from gbaseg.commands.cost import _PAPER
from gbaseg.errors import UserError
from gbaseg.params import check
from gbaseg.presets import preset_content
from gbaseg.runtime.place import Needs
from gbaseg.workflow.needs import needs_of, place_of

FOLDER = Path(".scratch/survey-1")


@pytest.fixture
def paper():
    return check(preset_content("crossmoda2022", Path(__file__).parents[2] / "presets"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_papers_fold_asks_for_what_was_counted_and_its_cases_do_not_ask_for_a_trainings_time(paper):
    Path("engine.yaml").write_text("engine: slurm\ngres: gpu:1\n")
    place = place_of("train_segmentation/round_0", FOLDER, paper, _PAPER)
    fold, case = place.request(networks=True), place.request(networks=False)
    assert place.folder == FOLDER / "jobs" and place.needs.trains
    assert 26 * 60 < fold.time < 27 * 60 and fold.memory_gib > 10  # twice the round's 12.95 hours; 12 augmenters
    assert case.time == 240 and case.gres is None
    predicting = place_of("pseudo_label/round_0", FOLDER, paper, _PAPER).request(networks=True)
    assert 2 * 60 < predicting.time < 2 * 75


def test_without_a_gpu_the_time_is_a_processors(paper):
    times = [needs_of("survey", paper, _PAPER, gpu, 1).minutes for gpu in (True, False)]
    assert times[1] > 20 * times[0]


def test_a_stage_of_which_nothing_is_counted_goes_there_too(paper):
    Path("engine.yaml").write_text("engine: slurm\n")
    place = place_of("standardise", FOLDER, None, None)
    assert place.needs.minutes is None and place.request(networks=False).time == 240
    assert needs_of("train_oracle", paper, _PAPER, True, 12) == Needs()


def test_a_stage_that_there_is_not_is_a_fault():
    Path("engine.yaml").write_text("engine: slurm\nstages: {train_segmentaton: {cpus: 3}, survey: {cpus: 2}}\n")
    with pytest.raises(
        UserError, match=r"engine.yaml: stages: no stage train_segmentaton; allowed: .*train_segmentation"
    ):
        place_of("survey", FOLDER, None, None)


def test_without_a_file_tasks_stay_here(paper):
    assert place_of("survey", FOLDER, paper, _PAPER) is None
