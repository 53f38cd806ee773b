"""Axes turned to the patient's."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from gbaseg.volume import Grid, turn_to_axial

# All 48 ways in which voxel axes can lie along the patient's.
AXES = list(itertools.product(itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)))


def rotation(x, y, z):
    """Rotation matrix of three angles in radians."""
    return np.array(sitk.Euler3DTransform((0.0, 0.0, 0.0), x, y, z).GetMatrix()).reshape(3, 3)


def own_grid(columns, signs, tilt=None):
    """A grid of shape (4, 5, 6) whose voxel axis i points along patient axis `columns[i]`."""
    direction = np.zeros((3, 3))
    for axis, (row, sign) in enumerate(zip(columns, signs, strict=True)):
        direction[row, axis] = sign
    if tilt is not None:
        direction = tilt @ direction
    return Grid((4, 5, 6), (3.0, 2.0, 1.0), (10.0, -20.0, 30.0), tuple(direction.ravel()))


def position(grid, index_zyx):
    """Where a voxel lies in the patient, mm."""
    return np.array(grid.shifted(index_zyx, (1, 1, 1)).origin_xyz_mm)


@pytest.mark.parametrize(("columns", "signs"), AXES)
def test_every_turn_leaves_each_voxel_in_its_place_and_is_undone(columns, signs):
    own = own_grid(columns, signs)
    array = np.arange(4 * 5 * 6).reshape(own.shape)
    turn = turn_to_axial(own)
    turned, grid = turn.apply(array), turn.grid(own)

    assert np.allclose(np.array(grid.direction).reshape(3, 3), np.eye(3))
    assert turned.shape == grid.shape
    assert (turn.undo(turned) == array).all()
    for index in np.ndindex(grid.shape):
        before = np.argwhere(array == turned[index])[0]
        assert np.allclose(position(own, tuple(int(i) for i in before)), position(grid, index))


@given(
    st.sampled_from(AXES),
    st.tuples(*[st.floats(-0.4, 0.4)] * 3),
)
@settings(max_examples=40)
def test_oblique_scans_turn_as_itk_turns_them(axes, angles):
    """Below 45 degrees in all, the nearest axes are clear and ITK's own orientation filter is the reference."""
    tilt = rotation(*angles)
    own = own_grid(*axes, tilt)
    if np.abs(tilt).diagonal().min() < 0.75:
        return
    array = np.arange(4 * 5 * 6, dtype=np.float32).reshape(own.shape)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(own.spacing_zyx_mm[::-1])
    image.SetOrigin(own.origin_xyz_mm)
    image.SetDirection(own.direction)
    expected = sitk.DICOMOrient(image, "LPS")

    turn = turn_to_axial(own)
    grid = turn.grid(own)
    assert (turn.apply(array) == sitk.GetArrayFromImage(expected)).all()
    assert np.allclose(grid.origin_xyz_mm, expected.GetOrigin())
    assert np.allclose(grid.direction, expected.GetDirection())
    assert np.allclose(grid.spacing_zyx_mm[::-1], expected.GetSpacing())


def test_a_scan_turned_by_half_a_quarter_turn_still_gives_a_permutation():
    turn = turn_to_axial(own_grid((0, 1, 2), (1.0, 1.0, 1.0), rotation(np.pi / 4, np.pi / 4, 0.0)))
    assert sorted(turn.axes) == [0, 1, 2]
