"""The panel of a case."""

import numpy as np
import pytest

from gbaseg.evaluation.drawing import ORANGE, SKY, save
from gbaseg.evaluation.overlays import PanelImage, case_panel, fitting, white

SLICE = np.linspace(0, 1, 40 * 50).reshape(40, 50)
MASK = np.zeros((40, 50), dtype=bool)
MASK[10:16, 30:40] = True


def contours(axes):
    return list(axes.collections)


def test_a_panel_an_image_with_its_contours(tmp_path):
    images = [PanelImage("ceT1", SLICE, None, MASK), PanelImage("GBA", SLICE), PanelImage("target", SLICE, MASK, MASK)]
    figure = case_panel(images, spacing_yx_mm=(0.6, 0.6))
    assert [axes.get_title() for axes in figure.axes] == ["ceT1", "GBA", "target"]
    assert [len(contours(axes)) for axes in figure.axes] == [1, 0, 2]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["label", "prediction"]
    assert [line.get_color() for line in figure.legends[0].get_lines()] == [SKY, ORANGE]
    for axes, image in zip(figure.axes, images, strict=False):  # black is 0, white what few of its voxels exceed
        assert axes.images[0].get_clim() == (0.0, white([image.slice_yx]))
    save(figure, tmp_path / "case.png")


def test_contours_lie_where_the_mask_is_in_mm():
    (contour,) = contours(case_panel([PanelImage("x", SLICE, MASK)], spacing_yx_mm=(2.0, 0.5)).axes[0])
    box = contour.get_paths()[0].get_extents()
    assert (box.x0, box.x1) == pytest.approx((30 * 0.5, 40 * 0.5))  # x in columns, y in rows, on voxel faces
    assert (box.y0, box.y1) == pytest.approx((10 * 2.0, 16 * 2.0))


def test_contours_are_matplotlib_s():
    pieces = np.random.default_rng(0).random((40, 50)) > 0.9
    axes = case_panel([PanelImage("x", SLICE, pieces)], spacing_yx_mm=(2.0, 0.5)).axes[0]
    (ours,) = contours(axes)
    x, y = (np.arange(-1, 51) + 0.5) * 0.5, (np.arange(-1, 41) + 0.5) * 2.0
    (theirs,) = axes.contour(x, y, np.pad(pieces.astype(float), 1), levels=[0.5]).get_paths()
    np.testing.assert_array_equal(ours.get_paths()[0].vertices, theirs.vertices)
    np.testing.assert_array_equal(ours.get_paths()[0].codes, theirs.codes)


def test_zoom_is_around_the_contours_and_inside_the_image(tmp_path):
    figure = case_panel([PanelImage("x", SLICE, MASK), PanelImage("y", SLICE)], zoom_mm=20.0)
    zoomed, without = figure.axes[2:]
    assert zoomed.get_xlim() == pytest.approx((25.0, 45.0)) and zoomed.get_ylim() == pytest.approx((23.0, 3.0))
    assert without.get_xlim() == pytest.approx((15.0, 35.0))
    corner = np.zeros_like(MASK)
    corner[0, 0] = True
    figure = case_panel([PanelImage("x", SLICE, corner)], zoom_mm=20.0)
    assert figure.axes[1].get_xlim() == (0.0, 20.0)
    save(figure, tmp_path / "zoom.png")


def test_of_pieces_that_no_window_holds_the_largest_is_shown():
    """Between two cochleas there is neither; two pieces of one are shown together."""
    two = np.zeros_like(MASK)
    two[20:24, 2:6] = two[20:23, 44:47] = True
    figure = case_panel([PanelImage("x", SLICE, None, two)], zoom_mm=20.0)
    assert figure.axes[1].get_xlim() == (0.0, 20.0)
    figure = case_panel([PanelImage("x", SLICE, None, two)], zoom_mm=45.0)
    assert figure.axes[1].get_xlim() == pytest.approx((0.0, 45.0))
    near = np.zeros_like(MASK)
    near[20:24, 20:24] = near[20:24, 30:34] = True
    figure = case_panel([PanelImage("x", SLICE, None, near)], zoom_mm=20.0)
    assert figure.axes[1].get_xlim() == pytest.approx((17.0, 37.0))


def test_empty_masks_draw_nothing(tmp_path):
    figure = case_panel([PanelImage("x", SLICE, np.zeros_like(MASK), None)])
    assert not contours(figure.axes[0]) and not figure.legends
    save(figure, tmp_path / "empty.png")


def test_a_window_grows_to_what_it_is_around_and_no_further_than_the_slice():
    assert fitting(20.0, [MASK], SLICE.shape, (1.0, 1.0)) == 20.0  # 10 mm, and 5 on either side
    assert fitting(12.0, [MASK], SLICE.shape, (1.0, 1.0)) == 20.0
    assert fitting(12.0, [MASK], SLICE.shape, (2.0, 0.5)) == 22.0  # 6 rows of 2 mm
    assert fitting(12.0, [np.ones_like(MASK)], SLICE.shape, (1.0, 1.0)) == 40.0
    assert fitting(12.0, [np.zeros_like(MASK)], SLICE.shape, (1.0, 1.0)) == 12.0


def test_few_bright_voxels_leave_no_slice_black():
    dark = np.full((40, 50), 0.1)
    dark[:10] = 0.0
    dark[20, 20] = 1.0
    assert white([dark]) == pytest.approx(0.1)
    assert white([dark, np.full((40, 50), 0.6)]) == pytest.approx(0.6)
    assert white([np.zeros((4, 4))]) == 1.0
