"""Van Cittert deconvolution (METHOD 4): x_{k+1} = x_k + alpha (y - h * x_k)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from gbaseg.translation.settings import VanCittertSettings
from gbaseg.translation.van_cittert import blur, sigma_voxels, van_cittert, without_effect

SPACING = (1.0, 0.6, 0.6)  # z, y, x in mm, the method's grid


def mid_grey_noise(sd: float, shape=(24, 40, 40)) -> np.ndarray:
    """White noise that the clipping does not reach."""
    return (0.5 + sd * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


def test_scale_is_in_mm_and_xyz():
    # FWHM = 2.3548 sigma; psf (1, 1, 2.5) mm along x, y, z.
    as_fwhm = sigma_voxels(SPACING, VanCittertSettings())
    assert as_fwhm == pytest.approx((2.5 / 2.35482, 1 / 2.35482 / 0.6, 1 / 2.35482 / 0.6), rel=1e-5)
    assert sigma_voxels(SPACING, VanCittertSettings(psf_is="sigma")) == pytest.approx((2.5, 1 / 0.6, 1 / 0.6))


@pytest.mark.parametrize("fwhm_voxels", [0.1, 0.2, 0.35, 0.5, 2 / 3, 1.0, 5 / 3, 2.5, 3.0])
def test_the_blur_is_the_analytic_one_at_any_ratio_of_width_to_voxel(fwhm_voxels):
    """A sampled Gaussian of 2/3 of a voxel is [0.002, 0.996, 0.002]."""
    sigma = fwhm_voxels / 2.35482
    voxel = np.arange(-20, 21)

    # Of an edge between two voxels, seen at the voxels' centres: the error function.
    edge = blur((voxel > 0).astype(np.float64)[None, None], (0.0, 0.0, sigma))[0, 0]
    np.testing.assert_allclose(edge, ndtr((voxel - 0.5) / sigma), atol=2e-4)

    # Of a wave: the Gaussian's transform times that of the voxel, summed over the aliases.
    for cycles_per_voxel in (0.05, 0.125, 0.25, 0.5):
        wave = np.cos(2 * np.pi * cycles_per_voxel * voxel)
        frequency = cycles_per_voxel + np.arange(-60, 61)
        gain = np.sum(np.exp(-2 * (np.pi * sigma * frequency) ** 2) * np.sinc(frequency))
        blurred = blur(wave[None, None], (0.0, 0.0, sigma))[0, 0]
        np.testing.assert_allclose(blurred[10:-10], gain * wave[10:-10], atol=2e-4)


def test_a_width_of_0_leaves_the_axis_alone():
    image = np.random.default_rng(2).random((6, 8, 10)).astype(np.float32)
    along_y = blur(image, (0.0, 0.8, 0.0))
    for z, x in itertools.product(range(6), range(10)):
        line = np.zeros((1, 8, 1), np.float32)
        line[0, :, 0] = image[z, :, x]
        np.testing.assert_array_equal(along_y[z, :, x], blur(line, (0.0, 0.8, 0.0))[0, :, 0])
    np.testing.assert_array_equal(van_cittert(image, SPACING, VanCittertSettings(psf_mm_xyz=(0, 0, 0))), image)


@pytest.mark.parametrize(
    ("psf", "psf_is", "axes"),
    [
        ((1.0, 1.0, 2.5), "fwhm", ""),  # the paper's, on its grid
        ((0.25, 1.0, 0.4), "fwhm", "xz"),
        ((0.35, 0.35, 0.6), "fwhm", ""),  # 0.6 of a voxel
        ((0.1, 0.2, 0.3), "sigma", "x"),
        ((0.0, 0.0, 0.0), "fwhm", ""),  # asked for
    ],
)
def test_widths_that_do_nothing_on_the_grid_are_named(psf, psf_is, axes):
    widths = VanCittertSettings(psf_mm_xyz=psf, psf_is=psf_is)
    lines = without_effect(SPACING, widths)
    assert [line.split(" along ")[1][0] for line in lines] == list(axes)
    for line, axis in zip(lines, axes, strict=True):
        voxel = dict(zip("zyx", SPACING, strict=True))[axis]
        assert "psf_mm_xyz" in line and f"{psf['xyz'.index(axis)]:g} mm" in line and f"voxels of {voxel:g} mm" in line
        # It says what it measures: such a grating is left as it was.
        grating = np.full((16, 16, 16), 0.5, np.float32)
        index = [None, None, None]
        index["zyx".index(axis)] = slice(None)
        grating += (0.1 * (-1.0) ** np.arange(16))[tuple(index)].astype(np.float32)
        only = [width if name == axis else 0.0 for name, width in zip("xyz", psf, strict=True)]
        sharp = van_cittert(grating, SPACING, VanCittertSettings(psf_mm_xyz=only, psf_is=psf_is))
        assert sharp[8, 8, 8] == pytest.approx(grating[8, 8, 8], abs=0.006)
    assert without_effect(SPACING, VanCittertSettings(psf_mm_xyz=(0.1, 0.1, 0.1), iterations=0)) == []


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5])
def test_residual_falls_at_every_iteration(alpha):
    y = mid_grey_noise(0.005)
    sigma = sigma_voxels(SPACING, VanCittertSettings())
    residuals = []
    for iterations in range(8):
        x = van_cittert(y, SPACING, VanCittertSettings(iterations=iterations, alpha=alpha))
        residuals.append(float(np.linalg.norm(y - blur(x, sigma))))
    assert all(after < before for before, after in itertools.pairwise(residuals))


def test_first_iteration_by_hand():
    y = mid_grey_noise(0.005)
    expected = y + 0.7 * (y - blur(y, sigma_voxels(SPACING, VanCittertSettings())))
    np.testing.assert_allclose(
        van_cittert(y, SPACING, VanCittertSettings(iterations=1, alpha=0.7)), expected, atol=1e-6
    )


@pytest.mark.parametrize(("psf_is", "gain"), [("fwhm", 12.0), ("sigma", 16.0)])
def test_noise_gain(psf_is, gain):
    # METHOD 4: about 12 read as FWHM, about 16 read as sigma (15 iterations; 16 is the most there can be).
    y = mid_grey_noise(0.005)
    x = van_cittert(y, SPACING, VanCittertSettings(psf_is=psf_is))
    assert float(x.std() / y.std()) == pytest.approx(gain, rel=0.25)


def test_a_blurred_edge_gets_steeper():
    step = np.zeros((12, 20, 20), dtype=np.float32) + 0.2
    step[:, :, 10:] = 0.8
    y = blur(step, sigma_voxels(SPACING, VanCittertSettings()))
    x = van_cittert(y, SPACING, VanCittertSettings())
    steepest = [float(np.diff(image[6, 10]).max()) for image in (y, x, step)]
    assert 1.2 * steepest[0] < steepest[1] <= steepest[2] + 0.05


@given(level=st.floats(0.0, 1.0), alpha=st.floats(0.1, 1.9))
@settings(max_examples=20)
def test_a_constant_image_stays(level, alpha):
    # Also at the borders: edges are replicated.
    image = np.full((5, 7, 6), level, dtype=np.float32)
    np.testing.assert_allclose(van_cittert(image, SPACING, VanCittertSettings(alpha=alpha)), image, atol=1e-5)


def test_result_is_float32_in_0_to_1_and_the_input_is_left_alone():
    image = (np.random.default_rng(1).random((6, 10, 10)) > 0.5).astype(np.float64)
    before = image.copy()
    out = van_cittert(image, SPACING, VanCittertSettings())
    assert out.dtype == np.float32 and out.min() >= 0.0 and out.max() <= 1.0
    np.testing.assert_array_equal(image, before)
    untouched = van_cittert(image, SPACING, VanCittertSettings(iterations=0))
    np.testing.assert_array_equal(untouched, image)
    assert not np.shares_memory(untouched, image)


def test_the_order_in_memory_changes_no_number():
    """The filters run over (Y, X, Z), along Z first, as they would over (Z, Y, X)."""
    image = np.random.default_rng(3).random((9, 12, 10)).astype(np.float32)
    sigma = (1.1, 0.7, 0.8)
    moved = blur(np.ascontiguousarray(np.moveaxis(image, 0, 2)), sigma, axes=(2, 0, 1))
    assert np.array_equal(np.moveaxis(moved, 2, 0), blur(image, sigma))
