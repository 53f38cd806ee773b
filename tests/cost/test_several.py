"""A run on several GPUs, counted: what runs side by side, and what does not."""

from pathlib import Path

import pytest

from gbaseg.commands.cost import _PAPER
from gbaseg.cost.several import grid_on, hours_of, hours_on, tasks_of
from gbaseg.cost.speeds import speeds_of
from gbaseg.cost.work import count_work
from gbaseg.params import Params, check
from gbaseg.presets import preset_content


@pytest.fixture(scope="module")
def paper():
    settings = check(preset_content("crossmoda2022", Path(__file__).parents[2] / "presets"))
    return {"work": count_work(settings, _PAPER), "speeds": speeds_of("h100"), "settings": settings, "size": _PAPER}


def test_one_gpu_takes_what_the_stages_take_together(paper):
    alone = hours_on(1, **paper)
    assert sum(alone.values()) == pytest.approx(sum(hours_of(one, paper["speeds"]) for one in paper["work"]))


def test_folds_share_out_whole_and_the_rounds_and_the_cyclegan_do_not_get_shorter(paper):
    folds = paper["settings"].segmentation.folds
    one, several, many = (hours_on(count, **paper) for count in (1, folds, 1000))
    assert several["train round_0"] == pytest.approx(one["train round_0"] / folds) == many["train round_0"]
    # All but one fold at a time takes as long as two rounds of them.
    assert hours_on(folds - 1, **paper)["train round_0"] == pytest.approx(2 * several["train round_0"])
    assert many["train_translation"] == one["train_translation"] and many["survey"] == one["survey"]
    assert many["pseudo_label round_0"] < one["pseudo_label round_0"] / 100


def test_a_grid_takes_all_of_the_work_of_its_experiments_and_what_they_share_once(paper):
    one, grid = (grid_on(1, seeds, arms, **paper) for seeds, arms in ((1, 1), (3, 3)))
    shared = 3 * one - grid_on(1, 1, 3, **paper)  # of three arms two need no translation of their own
    assert grid == pytest.approx(3 * grid_on(1, 1, 3, **paper)) and 2 * 27 < shared < 2 * 35
    assert grid_on(1000, 3, 3, **paper) == pytest.approx(sum(hours_on(1000, **paper).values()))


@pytest.mark.parametrize(
    ("changes", "stage", "tasks"),
    [
        ({"translation": {"mode": "auto", "auto": {"cyclegan_runs": 3}}}, "train_translation", 3),
        ({"augmentation": {"singan": {"image": "pseudo_target", "models_at_once": 8}}}, "train_singan", 27),
        ({}, "train_singan", 1),
        ({"translation": {"mode": "auto", "auto": {"cyclegan_runs": 3, "seeds": 4}}}, "choose_translation", 24),
        ({}, "standardise", 484),
        ({"segmentation": {"folds": 3, "members": 2}}, "train round_0", 6),
    ],
)
def test_how_many_tasks_a_stage_has(changes, stage, tasks):
    assert tasks_of(stage, Params.model_validate(changes), _PAPER) == tasks
