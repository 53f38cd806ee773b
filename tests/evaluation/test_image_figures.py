"""Figures 4, 6, 8 and 9: asserted on the drawn objects, and that every case of data draws."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from gbaseg.evaluation.drawing import ORANGE, PAGE_INCHES, SKY, save
from gbaseg.evaluation.image_figures import (
    BlendingRow,
    OverlayRow,
    TranslationRow,
    intensity_distributions,
    naive_against_gba,
    segmentation_overlays,
    translations_side_by_side,
)

SLICE = np.linspace(0, 1, 20 * 30).reshape(20, 30)
MASK = np.zeros((20, 30), dtype=bool)
MASK[8:12, 20:26] = True
EMPTY = np.zeros_like(MASK)


def contours(axes):
    return [found for found in axes.collections if isinstance(found, PathCollection)]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []


def save_both(figure, folder):
    for suffix in (".svg", ".png"):
        save(figure, folder / f"figure{suffix}", dpi=50)
        assert (folder / f"figure{suffix}").stat().st_size > 0


def test_translations_a_row_a_case_and_a_column_a_run(tmp_path):
    cases = [
        TranslationRow("case_1", SLICE, {"A, run 0": 0.5 * SLICE, "A, run 1": 0.2 * SLICE}, MASK, (2.0, 1.0)),
        TranslationRow("case_2", SLICE, {"B, run 0": 0.1 * SLICE, "A, run 0": SLICE}),
    ]
    figure = translations_side_by_side(cases)
    grid = np.reshape(figure.axes, (2, 4))
    assert [axes.get_title() for axes in grid[0]] == ["ceT1", "A, run 0", "A, run 1", "B, run 0"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["case_1", "case_2"]
    drawn = [axes.images[0].get_array() if axes.images else None for axes in grid.flat]
    expected = [SLICE, 0.5 * SLICE, 0.2 * SLICE, None, SLICE, SLICE, None, 0.1 * SLICE]
    for pixels, slice_yx in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(pixels, slice_yx)
    assert [len(contours(axes)) for axes in grid.flat] == [1, 1, 1, 0, 0, 0, 0, 0]
    for row in grid:  # one grey scale for a case
        assert len({axes.images[0].get_clim() for axes in row if axes.images}) == 1
    save_both(figure, tmp_path)


def test_images_and_contours_are_in_mm():
    axes = translations_side_by_side([TranslationRow("a", SLICE, {}, MASK, (2.0, 0.5))]).axes[0]
    assert axes.get_aspect() == 1.0
    assert axes.images[0].get_extent() == [0.0, 30 * 0.5, 20 * 2.0, 0.0]
    box = contours(axes)[0].get_paths()[0].get_extents()
    assert (box.x0, box.x1) == pytest.approx((20 * 0.5, 26 * 0.5))  # on voxel faces
    assert (box.y0, box.y1) == pytest.approx((8 * 2.0, 12 * 2.0))
    (bar,) = axes.lines
    assert [text.get_text() for text in axes.texts] == ["2 mm"]  # of the 15 mm that are shown
    assert np.ptp(bar.get_xdata()) == pytest.approx(2.0)


def test_images_keep_their_shape_and_the_page_its_width():
    figure = translations_side_by_side(
        [TranslationRow("a", SLICE, {str(n): SLICE for n in range(7)}, None, (2.0, 1.0))]
    )
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert [box.height / box.width for box in boxes] == pytest.approx([40 / 30] * 8, rel=1e-3)
    assert figure.get_figwidth() <= PAGE_INCHES + 1e-9


def test_densities_are_those_of_the_samples(tmp_path):
    rng = np.random.default_rng(0)
    samples = {
        ("ceT1", "A"): [rng.normal(0.25, 0.05, (50, 100)), rng.normal(0.35, 0.05, (50, 900))],
        ("ceT1", "B"): [rng.uniform(0, 1, 200_000)],
        ("target", "A"): [np.ones(10)],  # saturated voxels: no area may leave over the edge
        ("target", "B"): [np.empty(0)],
    }
    figure = intensity_distributions(samples)
    source, target = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["ceT1", "target"]
    assert (source.get_xlim(), source.get_xscale()) == ((0.0, 1.0), "linear")
    assert source.get_ylim() == target.get_ylim()  # densities of all modalities on one scale
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    for line in (*source.lines, *target.lines):
        assert len(line.get_xdata()) == 256
        assert np.mean(line.get_ydata()) == pytest.approx(1.0)
    normal, uniform = source.lines
    # A case counts as much as another, however many voxels it has: the two peaks are as high.
    places, heights = normal.get_data()
    peaks = [heights[(places > low) & (places < low + 0.1)].max() for low in (0.2, 0.3)]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.1)
    # The band is the SD over cases, which differ in A; of the one case of B there is none.
    bands = [band.get_paths()[0].vertices for band in source.collections]
    high = 1 / np.sqrt(2 * np.pi * (0.05**2 + 0.01**2))
    low = high * np.exp(-(0.1**2) / 2 / (0.05**2 + 0.01**2))
    assert bands[0][:, 1].max() == pytest.approx((high + low) / 2 + (high - low) / np.sqrt(2), rel=0.05)
    assert bands[1][:, 1].max() == pytest.approx(uniform.get_ydata().max())
    assert uniform.get_ydata() == pytest.approx(np.ones(256), abs=0.1)  # the edges too
    assert normal.get_color() != uniform.get_color() and normal.get_linestyle() != uniform.get_linestyle()
    assert target.lines[0].get_color() == normal.get_color()  # a centre looks the same in every modality
    assert legend(figure) == [f"centre {centre}, mean of its cases, 1 SD" for centre in "AB"]
    save_both(figure, tmp_path)


@pytest.mark.parametrize("samples", [[0.5, 1.2], [-0.1, 0.5], [0.5, np.nan]])
def test_intensities_of_another_scale_are_refused(samples):
    with pytest.raises(ValueError, match="expected: 0 to 1"):
        intensity_distributions({("ceT1", "A"): [np.array(samples)]})


def test_naive_gba_and_their_difference(tmp_path):
    naive, gba = np.where(MASK, 0.8, SLICE).astype(np.float32), np.where(MASK, 0.5, SLICE).astype(np.float32)
    rows = [BlendingRow("λ = 0.5", SLICE, naive, gba, MASK), BlendingRow("λ = 1", SLICE, SLICE, SLICE, MASK)]
    figure = naive_against_gba(rows, zoom_mm=10.0)
    grid, bar = np.reshape(figure.axes[:8], (2, 4)), figure.axes[8]
    assert [axes.get_title() for axes in grid[0]] == ["pseudo-target", "naive", "GBA", "|GBA − naive|"]
    for axes, expected in zip(grid[0], (SLICE, naive, gba, 0.3 * MASK), strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), expected, atol=1e-6)
    assert all(len({axes.images[0].get_clim() for axes in row[:3]}) == 1 for row in grid)
    maps = [axes.images[0] for axes in grid[:, 3]]
    assert [image.get_clim() for image in maps] == [pytest.approx((0.0, 0.3))] * 2  # one bar is right for both rows
    assert bar.get_ylim() == pytest.approx((0.0, 0.3)) and bar.get_ylabel() == "difference of intensity"
    assert maps[0].get_cmap().name != grid[0, 0].images[0].get_cmap().name
    # Around the tumour's middle; 6 mm, and 5 on either side, are more than the window asked for.
    assert all(axes.get_xlim() == pytest.approx((14.0, 30.0)) for axes in grid.flat)
    assert all(axes.get_ylim() == pytest.approx((18.0, 2.0)) for axes in grid.flat)
    assert all(len(contours(axes)) == 1 for axes in grid.flat)
    save_both(figure, tmp_path)


def test_the_tumours_window_without_its_contour():
    row = BlendingRow("a", SLICE, SLICE, SLICE, MASK)
    figure = naive_against_gba([row], zoom_mm=10.0, contours=False)
    assert not any(contours(axes) for axes in figure.axes) and not figure.legends
    assert figure.axes[0].get_xlim() == pytest.approx((14.0, 30.0))
    assert naive_against_gba([row], zoom_mm=None).axes[0].get_xlim() == (0.0, 30.0)


def test_of_two_pieces_a_window_shows_the_larger():
    two = np.zeros_like(MASK)
    two[4:8, 1:5] = two[4:6, 27:29] = True
    row = BlendingRow("a", SLICE, SLICE, SLICE, two)
    assert naive_against_gba([row], zoom_mm=14.0).axes[0].get_xlim() == (0.0, 14.0)


def test_overlays_show_reference_and_predictions_with_their_dice(tmp_path):
    shifted = np.roll(MASK, -10, axis=1)
    cases = [
        OverlayRow("case_1", SLICE, MASK, {"0": shifted, "3": MASK}, {"0": 0.123, "3": 1.0}),
        OverlayRow("case_2", SLICE, None, {"0": shifted}, {"0": np.nan}),
        OverlayRow("case_3", SLICE, MASK, {"3": EMPTY}, {"3": 0.0}),
    ]
    figure = segmentation_overlays(cases, zoom_mm=8.0)
    grid = np.reshape(figure.axes, (3, 3))
    assert [axes.get_title() for axes in grid[0]] == ["reference", "0", "3"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["case_1", "case_2", "case_3"]
    assert [len(contours(axes)) for axes in grid.flat] == [1, 2, 2, 0, 1, 0, 1, 0, 1]
    solid = [contour.get_linestyles()[0][1] is None for contour in contours(grid[0, 1])]
    assert solid == [True, False]  # the prediction, and the reference dashed over it: both seen where they coincide
    dice = [[text.get_text() for text in axes.texts] for axes in grid[:, 1:].flat]
    assert dice == [["Dice 0.12"], ["Dice 1.00"], [], [], [], ["Dice 0.00"]]
    # A prediction far from the reference leaves the window where the tumour is.
    assert grid[0, 1].get_xlim() == pytest.approx((14.0, 30.0))
    assert grid[1, 1].get_xlim() == pytest.approx((5.0, 21.0))
    assert legend(figure) == ["reference", "prediction"]
    assert [line.get_color() for line in figure.legends[0].get_lines()] == [SKY, ORANGE]
    save_both(figure, tmp_path)


@pytest.mark.parametrize("draw", [translations_side_by_side, naive_against_gba, segmentation_overlays])
def test_without_cases_the_figure_says_so(tmp_path, draw):
    figure = draw([])
    assert [text.get_text() for text in figure.texts] == ["no cases"]
    save_both(figure, tmp_path)


def test_without_voxels_the_figure_says_so():
    assert [text.get_text() for text in intensity_distributions({}).texts] == ["no voxels"]
    assert not intensity_distributions({("ceT1", "A"): [np.empty(0)]}).axes[0].lines


def test_long_names_are_broken_to_fit():
    name = "crossmoda2022_ldn_12_hrT2"
    label = translations_side_by_side([TranslationRow(name, SLICE, {"A": SLICE})]).axes[0].get_ylabel()
    assert label.replace("\n", "") == name
    assert all(part.endswith("_") for part in label.split("\n")[:-1]) and "\n" in label
