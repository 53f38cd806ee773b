"""Figure 10: asserted on the drawn objects, and that every case of data draws."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gbaseg.evaluation.drawing import BLUE, VERMILLION, save
from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.score_figures import score_boxes
from gbaseg.evaluation.summary import CaseScore


def score(case, dice, assd, predicted=400.0, structure="tumour"):
    return CaseScore(case, "A", "test", structure, dice, assd, assd, 500.0, predicted)


EMPTY = score("c", 0.0, 350.0, predicted=0.0)
ARMS = {
    "naive": {"0": [score("a", 0.5, 1.0), score("b", 0.7, 0.6), EMPTY], "1": [score("a", 0.1, 1.2)],
              "3": [score("a", 0.8, 0.5), score("b", 0.9, 0.3), score("c", 0.6, 0.9)]},
    "gba": {"0": [score("a", 0.6, 0.8)], "3": [score("a", 0.9, 0.2), score("b", 0.95, 0.1)]},
}  # fmt: skip


def points(axes, end):
    """Places and values of the dots and crosses of the first (0) or last (1) round."""
    colour = ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00))[end]
    mine = [c for c in axes.collections if np.allclose(c.get_facecolor()[0, :3], np.array(colour) / 255)]
    return np.concatenate([np.asarray(collection.get_offsets()) for collection in mine])


def means(axes):
    return [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "D"]


def medians(axes):
    return [float(line.get_ydata()[0]) for line in axes.lines if line.get_linewidth() == 1.2]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_case_of_the_first_and_the_last_round_is_drawn(tmp_path):
    figure = score_boxes(ARMS)
    dice_axes, assd_axes = figure.axes
    assert sorted(points(dice_axes, 0)[:, 1]) == [0.0, 0.5, 0.6, 0.7]  # and none of round 1
    assert sorted(points(dice_axes, 1)[:, 1]) == [0.6, 0.8, 0.9, 0.9, 0.95]
    assert means(dice_axes) == pytest.approx([0.4, 2.3 / 3, 0.6, 0.925])
    assert medians(dice_axes) == pytest.approx([0.5, 0.8, 0.6, 0.925])
    assert [label.get_text() for label in dice_axes.get_xticklabels()] == ["naive\n(n = 3)", "gba\n(n = 1, 2)"]
    assert (dice_axes.get_ylabel(), assd_axes.get_ylabel()) == ("Dice (tumour)", "ASSD in mm (tumour)")
    assert [line.get_color() for line in figure.legends[0].get_lines()][:2] == [BLUE, VERMILLION]
    for suffix in (".svg", ".png"):
        save(figure, tmp_path / f"boxes{suffix}", dpi=50)


def test_a_case_has_its_place_beside_the_arm_in_every_drawing():
    dice_axes, assd_axes = score_boxes(ARMS).axes
    first, last = points(dice_axes, 0), points(dice_axes, 1)
    assert first[first[:, 1] == 0.6, 0] - first[first[:, 1] == 0.5, 0] == pytest.approx(1.0)  # one arm further
    assert np.all(first[:, 0] < np.round(first[:, 0])) and np.all(last[:, 0] > np.round(last[:, 0]))  # side by side
    np.testing.assert_array_equal(np.sort(first[:, 0]), np.sort(points(assd_axes, 0)[:, 0]))
    np.testing.assert_array_equal(first, points(score_boxes(ARMS).axes[0], 0))
    assert len(np.unique(last[:, 0])) == len(last)


def test_an_empty_prediction_is_a_cross_and_no_distance():
    figure = score_boxes(ARMS)
    dice_axes, assd_axes = figure.axes
    assert means(assd_axes) == pytest.approx([0.8, 1.7 / 3, 0.8, 0.15])
    assert means(dice_axes)[0] == pytest.approx(0.4)  # its Dice is 0 and counts
    assert 1.0 < points(assd_axes, 0)[:, 1].max() < assd_axes.get_ylim()[1] < 2.0
    assert any("350 mm" in text for text in legend(figure))
    assert not any("350 mm" in text for text in legend(score_boxes({"gba": ARMS["gba"]})))
    other = score_boxes({"gba": {"round_0": [replace(EMPTY, assd_mm=120.0)]}})
    assert any("ASSD 120 mm," in text for text in legend(other))  # as this run counted it


@pytest.mark.parametrize("rows", [
    ARMS["naive"]["0"],
    [score("a", 0.8, 0.4), score("b", 0.8, 0.5), score("c", 0.0, 60.0), EMPTY],  # logarithmic
    [score("a", 1.0, 0.0)],
    [EMPTY],
])  # fmt: skip
def test_the_scale_of_the_distances_is_that_of_the_plot_by_round(rows):
    """The two figures of a run are read side by side: one scale, and the cases at the same heights."""
    mine, by_round = score_boxes({"gba": {"0": rows}}).axes[1], dice_assd_by_round([("0", rows)]).axes[1]
    assert (mine.get_yscale(), mine.get_ylim()) == (by_round.get_yscale(), by_round.get_ylim())
    heights = np.concatenate([np.asarray(collection.get_offsets()) for collection in by_round.collections])[:, 1]
    assert sorted(points(mine, 0)[:, 1]) == sorted(heights)


def test_one_round_and_one_case(tmp_path):
    figure = score_boxes({"none": {"0": [score("a", 0.5, 1.0)]}})
    assert means(figure.axes[0]) == [0.5]
    assert legend(figure) == ["first round: cases, box", "mean"]
    save(figure, tmp_path / "one.png", dpi=50)


def test_without_labels_the_plot_says_so(tmp_path):
    undefined = CaseScore("x", "A", "test", "tumour", math.nan, math.nan, math.nan, 0.0, 3.0)
    for arms in ({}, {"gba": {}}, {"gba": {"0": [], "1": [undefined]}}):
        figure = score_boxes(arms)
        assert [axes.texts[0].get_text() for axes in figure.axes] == ["no labels to score with"] * 2
        assert not figure.legends
        save(figure, tmp_path / "none.png", dpi=50)


def test_cases_with_an_empty_reference_are_left_out():
    undefined = CaseScore("x", "A", "test", "tumour", math.nan, math.nan, math.nan, 0.0, 0.0)
    figure = score_boxes({"gba": {"0": [undefined, score("a", 0.5, 1.0)]}})
    assert list(points(figure.axes[0], 0)[:, 1]) == [0.5]
    assert figure.axes[0].get_xticklabels()[0].get_text() == "gba\n(n = 1)"


def test_one_structure_at_a_time():
    with pytest.raises(ValueError, match="cochlea, tumour"):
        score_boxes({"gba": {"0": [score("a", 0.5, 1.0), score("a", 0.5, 1.0, structure="cochlea")]}})


def test_the_names_of_four_arms_do_not_lie_over_one_another():
    rounds = {"round_0": [score("a", 0.5, 1.0), score("b", 0.6, 1.2)]}
    names = ["cyclegan A, none", "cyclegan A, naive", "cyclegan A, gba", "no adaptation"]
    figure = score_boxes(dict.fromkeys(names, rounds))
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert len(boxes) == 4
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
