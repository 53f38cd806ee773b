"""What the plots show: asserted on the drawn objects, and that every case of data draws."""

import math

import numpy as np
import pytest

from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.summary import CaseScore


def score(case, centre, dice, assd, predicted=400.0, structure="tumour"):
    return CaseScore(case, centre, "test", structure, dice, assd, assd, 500.0, predicted)


ROUNDS = [
    ("0", [score("a", "A", 0.5, 1.0), score("b", "B", 0.7, 0.6), score("c", "B", 0.0, 350.0, predicted=0.0)]),
    ("1", [score("a", "A", 0.8, 0.5), score("b", "B", 0.9, 0.3), score("c", "B", 0.6, 0.9)]),
]


def texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def points(axes):
    return np.concatenate([np.asarray(collection.get_offsets()) for collection in axes.collections])


def test_every_case_and_the_means_are_drawn(tmp_path):
    figure = dice_assd_by_round(ROUNDS)
    dice_axes, assd_axes = figure.axes
    assert sorted(points(dice_axes)[:, 1]) == sorted(row.dice for _, rows in ROUNDS for row in rows)
    centre_a, centre_b, everyone = (line.get_ydata() for line in dice_axes.lines)
    assert list(centre_a) == [0.5, 0.8]
    assert list(centre_b) == pytest.approx([0.35, 0.75])
    assert list(everyone) == pytest.approx([0.4, 2.3 / 3])
    assert len({line.get_color() for line in dice_axes.lines}) == 3
    assert assd_axes.get_ylabel() == "ASSD in mm (tumour)"
    save(figure, tmp_path / "scores.png")


def test_an_empty_prediction_does_not_flatten_the_distances():
    assd_axes = dice_assd_by_round(ROUNDS).axes[1]
    assert assd_axes.get_ylim()[1] < 2.0
    assert points(assd_axes)[:, 1].max() > 1.0  # its cross, above all others
    assert list(assd_axes.lines[1].get_ydata()) == pytest.approx([0.6, 0.6])
    assert any("350 mm" in text for text in texts(dice_assd_by_round(ROUNDS)))
    assert not any("350 mm" in text for text in texts(dice_assd_by_round(ROUNDS[1:])))


def test_what_an_empty_prediction_counts_is_what_it_counted_in_this_run():
    """`evaluation.empty_assd_mm` is a setting."""
    rounds = [("0", [score("a", "A", 0.5, 1.0), score("c", "A", 0.0, 120.0, predicted=0.0)])]
    assert any("ASSD 120 mm," in text for text in texts(dice_assd_by_round(rounds)))


def test_an_outlier_makes_the_axis_logarithmic():
    rows = [score("a", "A", 0.8, 0.4), score("b", "A", 0.8, 0.5), score("c", "A", 0.0, 60.0)]
    assert dice_assd_by_round([("0", rows)]).axes[1].get_yscale() == "log"
    assert dice_assd_by_round(ROUNDS).axes[1].get_yscale() == "linear"


def test_a_perfect_round_and_other_structures(tmp_path):
    rows = [score("a", "A", 1.0, 0.0), score("a", "A", 0.2, 9.0, structure="cochlea")]
    figure = dice_assd_by_round([("0", rows)])
    assert list(points(figure.axes[0])[:, 1]) == [1.0]
    save(figure, tmp_path / "perfect.png")


def test_without_labels_the_plot_says_so(tmp_path):
    undefined = CaseScore("x", "A", "test", "tumour", math.nan, math.nan, math.nan, 0.0, 3.0)
    for rounds in ([("0", []), ("1", [])], [("0", [undefined])]):
        figure = dice_assd_by_round(rounds)
        assert [axes.texts[0].get_text() for axes in figure.axes] == ["no labels to score with"] * 2
        save(figure, tmp_path / "none.png")
