"""Appearance: measurements of a structure, densities of Fig. 7, distances."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from gbaseg.augmentation.appearance import Appearance, distance, measure, overlap

SPACING = (2.0, 0.5, 0.5)


def _ball(inside=0.8, around=0.3):
    label = np.zeros((9, 20, 20), np.uint8)
    label[3:6, 8:12, 8:12] = 1
    image = np.full(label.shape, around, np.float32)
    image[label == 1] = inside
    return image, label


def test_volume_mean_std_and_contrast():
    image, label = _ball()
    image[3, 8:12, 8:12] = 0.5
    seen = measure(image, label, SPACING)
    assert seen.volume_mm3 == 3 * 4 * 4 * 0.5
    assert seen.mean == pytest.approx((0.5 + 2 * 0.8) / 3, abs=1e-6)
    assert seen.std == pytest.approx(np.std([0.5, 0.8, 0.8]), abs=1e-6)
    assert seen.contrast == pytest.approx(seen.mean - 0.3, abs=1e-6)


def test_the_ring_leaves_other_structures_and_far_voxels_out():
    image, label = _ball()
    label[3:6, 8:12, 12] = 2  # a neighbour of another kind, bright
    image[label == 2] = 1.0
    image[:, :, :4] = 1.0  # 4 pixels = 2 mm away; the ring is 1.5 mm wide
    assert measure(image, label, SPACING, ring_mm=1.5).contrast == pytest.approx(0.5, abs=1e-6)
    assert measure(image, label, SPACING, ring_mm=3.0).contrast < 0.48


@pytest.mark.unusual(
    "Labels", "a structure that another one encloses", "its contrast is against that one, so that copies can change it"
)
def test_the_ring_of_an_enclosed_structure_is_the_one_around_it():
    image, label = _ball()
    near = distance_transform_edt(label != 1, sampling=SPACING) <= 3.0
    label[near & (label == 0)] = 2
    image[label == 2] = 0.45
    assert measure(image, label, SPACING, ring_mm=3.0).contrast == pytest.approx(0.8 - 0.45, abs=1e-6)
    # A few voxels in which it reaches the background are no ring.
    label[2, 8, 8] = 0
    image[2, 8, 8] = 0.0
    assert measure(image, label, SPACING, ring_mm=3.0).contrast == pytest.approx(0.35, abs=0.01)


def test_an_absent_structure_has_no_mean():
    image, label = _ball()
    seen = measure(image, label, SPACING, value=7)
    assert seen.volume_mm3 == 0 and np.isnan([seen.mean, seen.std, seen.contrast]).all()


def test_distance_is_the_shift_between_two_sets():
    """1-Wasserstein between a set and its shifted copy is the shift."""
    one = [measure(*_ball(inside=value), SPACING) for value in (0.5, 0.6, 0.8)]
    other = [measure(*_ball(inside=value + 0.15), SPACING) for value in (0.5, 0.6, 0.8)]
    assert distance(one, other) == pytest.approx(0.15, abs=1e-6)
    assert distance(one, one) == 0
    assert np.isnan(distance(one, []))


def test_overlap_of_joint_densities():
    """Of two normal densities d SDs apart it is 2 Phi(-d / 2)."""
    rng = np.random.default_rng(0)

    def group(shift, n=600):
        points = rng.standard_normal((n, 2)) * (0.3, 0.05) + (3.0 + 0.3 * shift, 0.5)
        return [Appearance(10.0**volume, mean, 0.1, 0.0) for volume, mean in points]

    one = group(0.0)
    assert overlap(one, one) == pytest.approx(1.0)
    assert overlap(one, group(0.0)) > 0.85
    assert overlap(one, group(2.0)) == pytest.approx(0.317, abs=0.06)
    assert overlap(one, group(30.0)) < 1e-3
    assert np.isnan(overlap(one, group(0.0, 3))) and np.isnan(overlap([], one))
    assert np.isnan(overlap(one, one[:1] * 9))
