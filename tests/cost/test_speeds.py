"""Speeds of machines: measured ones alone."""

import pytest

from gbaseg.cost.speeds import known_machines, speeds_of, speeds_of_ledger, stage_in_ledger
from gbaseg.cost.work import Work
from gbaseg.errors import UserError


def test_the_ledgers_names():
    assert stage_in_ledger("train round_1") == "train_segmentation/round_1"
    assert stage_in_ledger("pseudo_label survey") == "pseudo_label/survey"
    assert stage_in_ledger("standardise") == "standardise"


def test_a_speed_is_the_time_of_all_stages_of_a_kind_over_their_work():
    work = [
        Work("survey", "nnunet", 2.0, "PFLOP"),
        Work("train round_0", "nnunet", 6.0, "PFLOP"),
        Work("train round_1", "nnunet", 6.0, "PFLOP"),  # has not run
        Work("augment", "augment", 0.0, "Gvoxel"),
    ]
    ledger = {"survey": {"seconds": 10.0}, "train_segmentation/round_0": {"seconds": 50.0}, "augment": {"seconds": 1.0}}
    speeds = speeds_of_ledger(work, ledger)
    assert speeds.keys() == {"nnunet"}
    assert (speeds["nnunet"].seconds_per_unit, speeds["nnunet"].measured_units) == (7.5, 8.0)


def test_every_machine_has_every_kind_of_work():
    kinds = {"standardise", "cyclegan", "translate", "nnunet", "predict", "singan", "augment"}
    for name in known_machines():
        assert speeds_of(name).keys() == kinds


def test_a_machine_that_nobody_measured():
    with pytest.raises(UserError, match=r"--gpu h900: not measured yet; measured are: 2-cores.*`make run`"):
        speeds_of("h900")
