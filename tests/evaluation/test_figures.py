"""What the plots show: asserted on the drawn objects, and that every case of data draws."""

import math

import numpy as np
import pytest

from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.figures import Appearance, appearance_density, dice_assd_by_round
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


def tumours(seed, n, middle):
    rng = np.random.default_rng(seed)
    return Appearance(rng.normal(middle, 0.05, n).clip(0, 1), np.exp(rng.normal(7, 1, n)))


def test_densities_have_unit_area_and_say_n(tmp_path):
    figure = appearance_density(tumours(0, 20, 0.4), tumours(1, 40, 0.45), tumours(2, 15, 0.6))
    for axes in figure.axes:
        curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
        assert len(curves) == 3
        for curve in curves:
            assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(1.0, abs=0.02)
    assert texts(figure) == ["before GBA (n = 20)", "after GBA (n = 40)", "target, pseudo-labels (n = 15)"]
    assert figure.axes[1].get_xlabel() == "Tumour volume (mm³)"
    of_another = appearance_density(*[tumours(0, 20, 0.4)] * 3, structure="Cochlea")
    assert [axes.get_xlabel() for axes in of_another.axes] == [
        "Mean intensity inside the Cochlea (0 to 1)", "Cochlea volume (mm³)",
    ]  # fmt: skip
    save(figure, tmp_path / "appearance.png")


@pytest.mark.parametrize(
    "few", [Appearance([], []), Appearance([0.4, 0.5], [300, 900]), Appearance([0.5] * 4, [90] * 4)]
)
def test_too_few_tumours_have_ticks_and_no_density(tmp_path, few):
    figure = appearance_density(few, few, few)
    for axes in figure.axes:
        assert not [line for line in axes.lines if len(line.get_xdata()) > 2]
        assert sum(len(collection.get_segments()) for collection in axes.collections) == 3 * len(few.volume_mm3)
    save(figure, tmp_path / "few.png")
