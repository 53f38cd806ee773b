"""From cases to the metrics of a round, and the per-case CSV."""

import json
import math
import random

import numpy as np
import pytest

from gbaseg.errors import UserError
from gbaseg.evaluation.summary import CaseScore, read_scores, score_case, scores_table, summarise, write_scores


def score(case, dice, assd, *, centre="A", split="test", structure="tumour", reference=500.0, predicted=450.0):
    return CaseScore(case, centre, split, structure, dice, assd, assd * 1.1, reference, predicted)


ROWS = [
    score("a1", 0.9, 0.4),
    score("a2", 0.7, 0.8, split="validation"),
    score("b1", 0.3, 3.0, centre="B"),
    score("b2", 0.0, 350.0, centre="B", predicted=0.0),
    score("b3", math.nan, math.nan, centre="B", reference=0.0),
    score("a1", 0.8, 0.2, structure="cochlea"),
]


def test_score_of_a_case():
    reference, prediction = np.zeros((2, 4, 4, 4), dtype=bool)
    reference[1:3, 1:3, 1:3] = True
    prediction[1:3, 1:3, 1] = True
    row = score_case(reference, prediction, (2.0, 0.5, 0.5), case="x", centre="A", split="test")
    assert (row.case, row.centre, row.split, row.structure) == ("x", "A", "test", "tumour")
    assert row.dice == pytest.approx(2 * 4 / (8 + 4))
    assert row.assd_mm == pytest.approx((0.25 + 0.0) / 2)  # 4 of 8 voxels are 0.5 mm off, one way
    assert row.pooled_assd_mm == pytest.approx(4 * 0.5 / 12)
    assert (row.reference_mm3, row.predicted_mm3) == (4.0, 2.0)


def test_scores_of_masks_are_plain_numbers():
    """Numpy counts in its own integers, which JSON refuses."""
    mask = np.ones((2, 2, 2), dtype=bool)
    row = score_case(mask, mask, (1.0, 1.0, 1.0), case="x", centre="A", split="test")
    json.dumps(summarise([row]), allow_nan=False)
    assert {type(value) for value in (row.dice, row.assd_mm, row.reference_mm3, row.predicted_mm3)} == {float}


def test_empty_prediction_takes_the_value_of_the_settings():
    reference, empty = np.ones((2, 2, 2), dtype=bool), np.zeros((2, 2, 2), dtype=bool)
    row = score_case(reference, empty, (1, 1, 1), case="x", centre="A", split="test", empty_mm=99.0)
    assert (row.dice, row.assd_mm, row.pooled_assd_mm, row.predicted_mm3) == (0.0, 99.0, 99.0, 0.0)


def test_statistics_by_hand():
    metrics = summarise(ROWS)
    assert list(metrics) == ["cochlea", "tumour"]
    tumour = metrics["tumour"]
    dice = [0.9, 0.7, 0.3, 0.0]
    assert tumour["dice"] == {"mean": 0.475, "sd": round(float(np.std(dice, ddof=1)), 4), "median": 0.5}
    assert tumour["assd_mm"]["mean"] == 88.55  # 350 mm is in the mean, as in the challenge
    assert tumour["assd_mm"]["median"] == 1.9
    assert (tumour["cases"], tumour["empty_references"], tumour["empty_predictions"]) == (4, 1, 1)
    assert tumour["cases_under_0.4"] == tumour["cases_under_0.5"] == 2
    assert tumour["per_centre"] == {
        "A": {"dice": 0.8, "assd_mm": 0.6, "cases": 2},
        "B": {"dice": 0.15, "assd_mm": 176.5, "cases": 2},
    }
    assert tumour["per_split"]["validation"] == {"dice": 0.7, "assd_mm": 0.8, "cases": 1}


def test_undefined_is_none_and_json_is_finite():
    metrics = summarise(ROWS)
    assert metrics["cochlea"]["dice"] == {"mean": 0.8, "sd": None, "median": 0.8}  # no SD of one case
    nothing = summarise([ROWS[4]])["tumour"]
    assert nothing["dice"] == nothing["assd_mm"] == {"mean": None, "sd": None, "median": None}
    assert (nothing["cases"], nothing["empty_references"], nothing["per_centre"]) == (0, 1, {})
    json.dumps([metrics, nothing], allow_nan=False)
    assert summarise([]) == {}


def test_a_case_at_the_threshold_is_not_under_it():
    assert summarise([score("x", 0.4, 1.0)])["tumour"]["cases_under_0.4"] == 0
    assert "cases_under_0.25" in summarise([score("x", 0.4, 1.0)], low_dice=[0.25])["tumour"]


def test_csv_is_the_same_whatever_the_order(tmp_path):
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    write_scores(ROWS, tmp_path / "one" / "scores.csv")
    write_scores(shuffled, tmp_path / "two" / "scores.csv")
    text = (tmp_path / "one" / "scores.csv").read_bytes()
    assert text == (tmp_path / "two" / "scores.csv").read_bytes()
    assert text.splitlines()[0] == (
        b"case,centre,split,structure,dice,assd_mm,pooled_assd_mm,reference_mm3,predicted_mm3"
    )
    assert b"b3,B,test,tumour,nan,nan,nan,0,450" in text.splitlines()


def test_csv_comes_back(tmp_path):
    rows = [score("007", 2 / 3, 0.123456789, centre="NA"), score("b3", math.nan, math.nan, reference=0.0)]
    write_scores(rows, tmp_path / "scores.csv")
    first, second = read_scores(tmp_path / "scores.csv")
    assert (first.case, first.centre) == ("007", "NA")
    assert first.dice == pytest.approx(2 / 3, rel=1e-7)
    assert math.isnan(second.dice) and second.reference_mm3 == 0.0
    assert summarise([first, second]) == summarise(rows)


def test_no_scores_make_an_empty_table(tmp_path):
    write_scores([], tmp_path / "scores.csv")
    assert read_scores(tmp_path / "scores.csv") == []
    assert len(scores_table([])) == 0


def test_a_wrong_csv_is_named(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("case,dice\nx,0.5\n")
    with pytest.raises(UserError, match=r"scores\.csv: column\(s\) missing: centre"):
        read_scores(path)
    write_scores(ROWS, path)
    path.write_text(path.read_text().replace("0.9", "good"))
    with pytest.raises(UserError, match=r"scores\.csv.*good"):
        read_scores(path)
