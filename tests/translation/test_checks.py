"""Checks of a translation without target labels (METHOD 3)."""

import numpy as np
import pytest
from scipy import ndimage

from gbaseg.patches import sample_patches
from gbaseg.translation.checks import check_case, cycle_error, edge_agreement, edge_and_noise, tumour_to_ring_contrast

SPACING = (2.0, 1.0, 1.0)


def tumour_volume() -> tuple[np.ndarray, np.ndarray]:
    """A box of 0.9 in 0.3, with 0 from 8 mm on; and its mask."""
    image = np.zeros((12, 32, 32), dtype=np.float32)
    image[1:11, 4:28, 4:28] = 0.3
    mask = np.zeros(image.shape, dtype=bool)
    mask[5:7, 12:20, 12:20] = True
    image[mask] = 0.9
    return image, mask


def smooth(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random((4, 24, 24), dtype=np.float32)
    return ndimage.gaussian_filter(noise, (0, 1.5, 1.5)) * 2 - 0.5


def test_contrast_is_tumour_minus_ring():
    image, mask = tumour_volume()
    assert tumour_to_ring_contrast(image, mask, SPACING) == pytest.approx(0.6, abs=1e-6)
    assert tumour_to_ring_contrast(1.0 - image, mask, SPACING) == pytest.approx(-0.6, abs=1e-6)


def test_ring_is_measured_in_mm():
    image, mask = tumour_volume()
    image[:, 21:23, 12:20] = 0.0  # 2 to 3 voxels away in y
    near = tumour_to_ring_contrast(image, mask, SPACING, ring_mm=(0.0, 1.0))
    assert near == pytest.approx(0.6, abs=1e-6)
    # At 0.4 mm voxels the dark stripe is within 1.2 mm.
    assert tumour_to_ring_contrast(image, mask, (2.0, 0.4, 0.4), ring_mm=(0.0, 1.2)) > 0.61


def test_contrast_without_tumour_or_ring_is_nan():
    image, mask = tumour_volume()
    assert np.isnan(tumour_to_ring_contrast(image, np.zeros_like(mask), SPACING))
    assert np.isnan(tumour_to_ring_contrast(image, np.ones_like(mask), SPACING))


def test_edges_agree_whatever_their_sign():
    image = smooth(0)
    assert edge_agreement(image, image) == pytest.approx(1.0, abs=1e-5)
    assert edge_agreement(image, 0.9 - 0.5 * image) == pytest.approx(1.0, abs=1e-5)
    assert abs(edge_agreement(image, smooth(1))) < 0.2
    assert np.isnan(edge_agreement(image, np.zeros_like(image)))


def test_cycle_error_is_the_mean_absolute_difference():
    image = smooth(0)
    assert cycle_error(image, image + 0.25) == pytest.approx(0.25, abs=1e-6)


def test_edges_and_noise_are_measured_apart():
    rng = np.random.default_rng(5)
    image = np.full((6, 40, 40), 0.3)
    image[:, :, 20:] = 0.7

    def measured(sharpness, sd):
        blurred = ndimage.gaussian_filter1d(image, 1.0 / sharpness, axis=2) + sd * rng.standard_normal(image.shape)
        return edge_and_noise(sample_patches(blurred, 7, 2000, rng))

    assert measured(1e3, 0.0) == pytest.approx((0.2, 0.0), abs=0.01)  # central differences of a step of 0.4
    assert measured(1.0, 0.02)[1] == pytest.approx(0.02, rel=0.1)
    assert measured(1.0, 0.04)[1] == pytest.approx(0.04, rel=0.1)
    soft, sharp = measured(0.5, 0.005), measured(1.0, 0.005)
    assert 1.3 * soft[0] < sharp[0] and sharp[1] == pytest.approx(soft[1], rel=0.15)


def test_check_case_says_what_the_deconvolution_does():
    source = smooth(0)
    before = ndimage.gaussian_filter(source, (0, 0.7, 0.7))
    sharp = 0.5 + 2 * (before - 0.5)
    target_patches = sample_patches(source, 7, 500, np.random.default_rng(0))
    found = check_case(source, before, sharp, source, target_patches, SPACING, np.random.default_rng(1))
    for name in ("edge", "noise"):
        assert found[f"{name}_gain"] == pytest.approx(found[f"{name}_after"] / found[f"{name}_before"])
        assert found[f"{name}_gain"] == pytest.approx(2.0, rel=0.1)
        assert found[f"{name}_before"] < found[f"{name}_target"]
    flat = check_case(source, 0 * source, sharp, source, target_patches, SPACING, np.random.default_rng(1))
    assert np.isnan(flat["edge_gain"]) and flat["edge_before"] == 0.0


def test_check_case_tells_a_good_translation_from_a_poor_one():
    source, mask = tumour_volume()
    target = 1.0 - source
    target_patches = sample_patches(target, 7, 200, np.random.default_rng(0))

    def check(pseudo, back, tumour=mask):
        return check_case(source, pseudo, pseudo, back, target_patches, SPACING, np.random.default_rng(1), tumour)

    good, poor = check(target, source), check(np.full_like(source, 0.5), np.zeros_like(source))
    assert good["source_contrast"] == pytest.approx(0.6, abs=1e-6)
    assert good["pseudo_target_contrast"] == pytest.approx(-0.6, abs=1e-6)
    assert good["edge_agreement"] > 0.99 and np.isnan(poor["edge_agreement"])
    assert good["cycle_error"] == 0.0 < poor["cycle_error"]
    assert good["patch_distance"] < 0.3 * good["source_patch_distance"]
    assert good["patch_distance"] < 0.3 * poor["patch_distance"]
    assert np.isnan(check(target, source, None)["pseudo_target_contrast"])
