"""Sizes of shapes whose sizes are known."""

import math

import numpy as np
import pytest

from gbaseg.inference.statistics import Statistics, statistics_of
from gbaseg.volume import Grid, Volume

SCAN = np.arange(20 * 30 * 30, dtype=np.float32).reshape(20, 30, 30)


def measured(mask, spacing=(3.0, 1.0, 1.0), **more):
    return statistics_of("VS", Volume(mask.astype(np.uint8), Grid(mask.shape, spacing, **more)), 1, SCAN)


def empty():
    return np.zeros(SCAN.shape, bool)


def test_a_single_voxel_is_as_long_as_its_sides():
    mask = empty()
    mask[4, 5, 6] = True
    found = measured(mask, (3.0, 1.0, 0.5))
    assert found == Statistics("VS", 1.5, 3.0, 1.0, 0.5, SCAN[4, 5, 6])


def test_a_row_of_voxels():
    mask = empty()
    mask[4, 5, 6:16] = True
    found = measured(mask)
    assert (found.volume_mm3, found.axial_diameter_mm, found.axial_right_angle_mm) == (30.0, 10.0, 1.0)
    assert found.diameter_mm == 10.0


def test_an_ellipsoid_has_its_axes():
    z, y, x = np.ogrid[:20, :30, :30]
    spacing = np.array([3.0, 1.0, 1.0])
    half = np.array([15.0, 12.0, 7.0])
    mask = sum(((at - middle) * side / reach) ** 2 for at, middle, side, reach in
               zip((z, y, x), (9, 14, 15), spacing, half, strict=True)) <= 1.0  # fmt: skip
    found = measured(mask)
    # To the half of a voxel at either end.
    assert found.axial_diameter_mm == pytest.approx(24.0, abs=1.0)
    assert found.axial_right_angle_mm == pytest.approx(14.0, abs=1.0)
    assert found.diameter_mm == pytest.approx(30.0, abs=3.0)
    assert found.volume_mm3 == pytest.approx(4 / 3 * math.pi * half.prod(), rel=0.03)


def test_a_slanted_bar_is_measured_along_itself():
    mask = empty()
    for step in range(12):
        mask[3, 5 + step, 5 + step : 8 + step] = True
    found = measured(mask)
    # From corner to corner of the bar: 11 down and 13 across between centres, a half further at each end.
    assert found.axial_diameter_mm == pytest.approx(math.hypot(11, 14), abs=0.3)
    assert 1.5 < found.axial_right_angle_mm < 3.0


def test_axial_slices_are_found_in_a_sagittal_stack():
    """The same block of the patient, with its slices along x."""
    block, turned = empty(), np.zeros((30, 20, 30), bool)
    block[4:6, 10:20, 11:15] = True
    turned[11:15, 4:6, 10:20] = True
    axial = measured(block)
    sagittal = statistics_of(
        "VS",
        Volume(turned.astype(np.uint8), Grid(turned.shape, (1.0, 3.0, 1.0), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0))),
        1,
        np.moveaxis(SCAN, 2, 0),
    )
    assert sagittal == axial


def test_diameters_are_of_the_largest_piece_and_the_volume_of_all():
    mask = empty()
    mask[2, 2:6, 2] = mask[15, 20:22, 20] = True
    found = measured(mask)
    # From the top of one end to the bottom of the other: its voxels are 3 mm high.
    assert (found.volume_mm3, found.diameter_mm, found.axial_diameter_mm) == (18.0, math.hypot(3, 3), 4.0)
    assert found.mean_intensity == pytest.approx(SCAN[mask].mean())


def test_what_is_not_there_has_no_size():
    found = measured(empty())
    assert found.volume_mm3 == 0.0
    assert all(math.isnan(value) for value in (found.diameter_mm, found.axial_diameter_mm, found.mean_intensity))


def test_a_dent_does_not_make_a_shape_narrower():
    mask = empty()
    mask[3, 5:25, 10:20] = True
    whole = measured(mask)
    mask[3, 12:18, 10:15] = False
    dented = measured(mask)
    assert dented.axial_right_angle_mm == pytest.approx(whole.axial_right_angle_mm)
    assert dented.axial_diameter_mm == whole.axial_diameter_mm
