"""Van Cittert deconvolution (METHOD 4): x_{k+1} = x_k + alpha (y - h * x_k)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbaseg.translation.settings import VanCittertSettings
from gbaseg.translation.van_cittert import blur, gains, kernel, sigma_voxels, van_cittert, without_effect

SPACING = (1.0, 0.6, 0.6)  # z, y, x in mm, the method's grid


def mid_grey_noise(sd: float, shape=(24, 40, 40)) -> np.ndarray:
    """White noise that the clipping does not reach."""
    return (0.5 + sd * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


def test_scale_is_in_mm_and_xyz():
    # FWHM = 2.3548 sigma; psf (1, 1, 2.5) mm along x, y, z.
    as_fwhm = sigma_voxels(SPACING, VanCittertSettings())
    assert as_fwhm == pytest.approx((2.5 / 2.35482, 1 / 2.35482 / 0.6, 1 / 2.35482 / 0.6), rel=1e-5)
    assert sigma_voxels(SPACING, VanCittertSettings(psf_is="sigma")) == pytest.approx((2.5, 1 / 0.6, 1 / 0.6))


@pytest.mark.parametrize("fwhm_voxels", [0.1, 0.3, 0.5, 0.667, 1.0, 1.67, 2.5, 3.0])
def test_the_kernels_response_is_that_of_a_gaussian_integrated_over_a_voxel(fwhm_voxels):
    """Sampled at the centres, a width of 0.667 voxels left 0.996 in the middle, and the step without effect."""
    sigma = fwhm_voxels / 2.35482
    weights = kernel(sigma)
    places = np.arange(len(weights)) - len(weights) // 2
    frequency, copies = np.linspace(0.0, 0.5, 51)[:, None], np.arange(-2000, 2001)
    # Poisson's sum: the spectra of Gaussian and voxel, and their copies, which sampling puts on every whole frequency.
    spectrum = np.exp(-2.0 * (np.pi * sigma * (frequency + copies)) ** 2) * np.sinc(frequency + copies)
    response = (weights * np.cos(2.0 * np.pi * frequency * places)).sum(axis=1)
    np.testing.assert_allclose(response, spectrum.sum(axis=1), atol=5e-4)
    # Of a wave that many voxels long there is as much left as of the Gaussian without any voxels.
    slow = 0.02
    left = float((weights * np.cos(2.0 * np.pi * slow * places)).sum())
    assert left == pytest.approx(np.exp(-2.0 * (np.pi * sigma * slow) ** 2), abs=2e-3)


def test_a_width_without_effect_is_told_from_one_with_some():
    narrow = VanCittertSettings(psf_mm_xyz=(0.3, 1.0, 1.0))
    [said] = without_effect((2.0, 1.5, 1.5), narrow)
    assert "0.3 mm (fwhm) along x has no effect on voxels of 1.5 mm" in said and "van_cittert.psf_mm_xyz" in said
    assert without_effect(SPACING, VanCittertSettings()) == []
    assert without_effect((2.0, 1.5, 1.5), VanCittertSettings(psf_mm_xyz=(0.3, 1.0, 1.0), iterations=0)) == []
    assert len(without_effect((50.0, 50.0, 50.0), VanCittertSettings())) == 3


@pytest.mark.parametrize("alpha", [0.7, 1.0])
def test_the_finest_structure_grows_by_the_gain(alpha):
    settings = VanCittertSettings(psf_mm_xyz=(1.0, 1.0, 2.0), alpha=alpha)
    spacing = (2.0, 1.5, 1.5)
    for axis, gain in enumerate(gains(spacing, settings)):
        image = (0.5 + 0.01 * (-1.0) ** np.indices((21, 22, 23))[axis]).astype(np.float32)
        middle = van_cittert(image, spacing, settings)[8:12, 8:12, 8:12]
        assert np.abs(middle - 0.5).max() == pytest.approx(0.01 * gain, rel=0.01)


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
@settings(max_examples=20, deadline=None)
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
