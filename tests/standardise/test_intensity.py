"""METHOD 2: percentiles of the foreground to [0, 1]."""

import numpy as np
import pytest
from scipy import ndimage

from gbaseg.errors import UserError
from gbaseg.standardise.intensity import _filled_in_slices, foreground, intensity_range, to_unit_range


def head():
    """Noisy air, a bright scalp, a brain of grey and dark tissue, open below; and where the head is."""
    rng = np.random.default_rng(0)
    _, y, x = np.mgrid[:6, :32, :32]
    radius = np.hypot(y - 15.5, x - 15.5)
    array = rng.uniform(0.0, 8.0, (6, 32, 32))
    inside = radius < 12
    array[inside] = rng.normal(60, 5, inside.sum())
    array[radius < 5] = 20.0  # ventricles
    array[(radius >= 10) & inside] = 200.0
    return array.astype(np.float32), inside


def test_the_head_is_found_with_its_dark_tissue_and_without_the_air():
    array, inside = head()
    found = foreground(array, "head")
    assert (found == inside).mean() > 0.99
    assert found[:, 14:18, 14:18].all()


@pytest.mark.unusual("Scans and masks", "diffusion in m2/s: at most 3e-9", "the head is found as in any unit")
@pytest.mark.parametrize("unit", [1e6, 1e-3, 1e-6, 1e-9, 1e-11, 1e-30])
def test_the_head_is_the_same_in_every_unit(unit):
    """ITK's thresholds go by absolute numbers: under 1e-7 they took in the air, too."""
    array, _ = head()
    found = foreground((array.astype(np.float64) * unit).astype(np.float32), "head")
    assert (found == foreground(array, "head")).mean() > 0.999


def test_an_open_bright_rim_does_not_hide_the_brain():
    """A gap in the scalp, and nothing to fill: with a single Otsu threshold only the rim would be left."""
    array, inside = head()
    array[:, 14:18, :10] = 60.0 * inside[:, 14:18, :10]
    array[array == 200.0] = 400.0
    found = foreground(array, "head")
    brain = inside & (array > 40) & (array < 80)
    assert found[brain].mean() > 0.99


def test_nonzero_and_all():
    array = np.array([[[0.0, -1.0], [2.0, 0.0]]])
    assert foreground(array, "nonzero").tolist() == [[[False, True], [True, False]]]
    assert foreground(array, "all").all()


def test_the_range_is_that_of_the_foreground_alone():
    array, inside = head()
    expected = np.percentile(array[inside], (0.0, 99.9))
    assert np.allclose(intensity_range(array, (0.0, 99.9), "head"), expected)
    # The same head in four times as much air gives the same range.
    wide = np.pad(array, ((0, 0), (16, 16), (16, 16)), constant_values=4.0)
    assert np.allclose(intensity_range(wide, (0.0, 99.9), "head"), expected)


def test_unit_range_is_linear_and_clipped():
    values = to_unit_range(np.array([-5, 0, 5, 10, 20], dtype=np.int16), 0.0, 10.0)
    assert values.dtype == np.float32
    assert values.tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("kind", ["head", "nonzero", "all"])
def test_no_contrast(kind):
    with pytest.raises(UserError, match="no intensity range"):
        intensity_range(np.zeros((2, 3, 3)), (0.0, 99.9), kind)


@pytest.mark.parametrize("seed", range(4))
def test_holes_are_those_that_scipy_fills_slice_by_slice(seed):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.random((5, 40, 31)), (0, 1, 1)) > 0.49
    filled = _filled_in_slices(mask)
    assert filled.sum() > mask.sum()
    for ours, slice_yx in zip(filled, mask, strict=True):
        np.testing.assert_array_equal(ours, ndimage.binary_fill_holes(slice_yx))
