"""Which slices of a case the report shows."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from gbaseg import params
from gbaseg.commands import report
from gbaseg.commands.report_cases import interesting_slices
from gbaseg.evaluation.summary import CaseScore
from gbaseg.planning.page import PAGE
from gbaseg.planning.writing import params_text, stamp_of


def mask(**slices):
    out = np.zeros((9, 4, 4), bool)
    for name, count in slices.items():
        out[int(name[1:])].flat[:count] = True
    return out


def test_the_worst_slice_and_the_tumours_middle():
    reference = mask(z2=4, z3=8, z4=8, z5=2)
    assert interesting_slices(mask(z2=4, z3=2, z4=8, z5=2), reference) == {"worst": 3, "middle": 4}


def test_of_slices_that_are_missed_the_largest_is_shown_also_where_only_the_prediction_is():
    reference = mask(z3=2, z4=8)
    assert interesting_slices(mask(z4=8, z7=6), reference)["worst"] == 7


def test_without_a_reference_the_predictions_middle_and_without_either_the_volumes():
    assert interesting_slices(mask(z1=1, z2=1, z3=1), None) == {"middle": 2}
    assert interesting_slices(mask(), None) == {"middle": 4}
    assert interesting_slices(mask(), mask()) == {"middle": 4}


def test_the_plan_is_shown_while_its_numbers_stand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = params_text({}, Path(__file__).parents[2] / "presets")
    params.PATH.write_text(text)
    assert report._plan() == []
    PAGE.parent.mkdir()
    PAGE.write_text("Plan of another params.yaml")
    assert report._plan() == []
    PAGE.write_text(f"Plan {stamp_of(text)} for data")
    assert [(section.title, section.text) for section in report._plan()] == [("Plan", PAGE.read_text())]
    params.PATH.write_text(text.replace("seed: 1", "seed: 2"))
    assert report._plan() == []


def test_of_a_structure_that_is_in_no_label_there_are_no_curves():
    row = CaseScore("c1", "A", "test", "LV", math.nan, math.nan, math.nan, 0.0, 9.0)
    assert report._curves("LV", ": LV", [("survey", [row]), ("round_0", [row])]) == []
    assert (
        len(report._curves("LV", ": LV", [("survey", [row]), ("round_0", [replace(row, dice=0.5, assd_mm=1.0)])])) == 1
    )
