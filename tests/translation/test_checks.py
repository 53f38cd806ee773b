"""Checks of a translation without target labels (METHOD 3)."""

import numpy as np
import pytest
from scipy import ndimage

from gbaseg.patches import sample_patches
from gbaseg.translation.checks import (
    check_case,
    cycle_error,
    edge_agreement,
    edge_strength,
    noise_level,
    sharpening,
    tumour_to_ring_contrast,
)

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


def test_check_case_tells_a_good_translation_from_a_poor_one():
    source, mask = tumour_volume()
    target = 1.0 - source
    target_patches = sample_patches(target, 7, 200, np.random.default_rng(0))

    def check(pseudo, back, tumour=mask):
        return check_case(source, pseudo, back, target_patches, SPACING, np.random.default_rng(1), tumour)

    good, poor = check(target, source), check(np.full_like(source, 0.5), np.zeros_like(source))
    assert good["source_contrast"] == pytest.approx(0.6, abs=1e-6)
    assert good["pseudo_target_contrast"] == pytest.approx(-0.6, abs=1e-6)
    assert good["edge_agreement"] > 0.99 and np.isnan(poor["edge_agreement"])
    assert good["cycle_error"] == 0.0 < poor["cycle_error"]
    assert good["patch_distance"] < 0.3 * good["source_patch_distance"]
    assert good["patch_distance"] < 0.3 * poor["patch_distance"]
    assert np.isnan(check(target, source, None)["pseudo_target_contrast"])


def test_noise_and_edges_are_told_apart():
    rng = np.random.default_rng(0)
    steps = np.full((6, 40, 40), 0.2, np.float32)
    steps[:, :, 20:] = 0.8
    noisy = steps + 0.02 * rng.standard_normal(steps.shape, np.float32)
    assert noise_level(noisy) == pytest.approx(0.02, rel=0.05)
    assert noise_level(steps) == 0.0 and edge_strength(steps) == pytest.approx(0.3)
    assert edge_strength(noisy) == pytest.approx(0.3, abs=0.04)
    gains = sharpening(noisy, steps + 2.0 * (noisy - steps))
    assert gains["noise_gain"] == pytest.approx(2.0, rel=0.01) and gains["edge_gain"] < 1.2
    assert np.isnan(sharpening(np.zeros_like(steps), steps)["edge_gain"])


def test_a_translation_as_sharp_as_the_target_is_told_from_a_blurred_one():
    rng = np.random.default_rng(0)
    image = rng.random((4, 24, 24), dtype=np.float32)
    blurred = ndimage.gaussian_filter(image, (0, 1, 1))
    real = sample_patches(image, 7, 800, rng)
    same, dull = (check_case(image, shown, image, real, SPACING, rng) for shown in (image, blurred))
    for found in ("edges_to_target", "noise_to_target"):
        assert same[found] == pytest.approx(1.0, abs=0.05) and dull[found] < 0.5
