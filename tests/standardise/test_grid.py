"""METHOD 2: axes, brain centre and crop box."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from gbaseg.standardise.grid import brain_centre, crop_box, turn_to_axial
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Grid, Volume

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
@settings(max_examples=40, deadline=None)
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


def test_brain_centre_is_the_mean_position_of_the_bright_voxels():
    array = np.zeros((4, 10, 12))
    array[1:3, 2:5, 6:10] = 1.0  # 5 % of the voxels: the 75th percentile is 0
    assert brain_centre(array, 75.0) == (1.5, 3.0, 7.5)
    rng = np.random.default_rng(0)
    noise = rng.random((5, 6, 7))
    expected = np.argwhere(noise > np.percentile(noise, 75.0)).mean(axis=0)
    assert np.allclose(brain_centre(noise, 75.0), expected)


def test_brain_centre_of_an_image_saturated_above_the_percentile():
    array = np.zeros((2, 4, 4))
    array[:, :, 2:] = 1.0
    assert brain_centre(array, 75.0) == (0.5, 1.5, 2.5)


def test_crop_box_is_centred_and_may_leave_the_image():
    array = np.zeros((6, 20, 20))
    array[2:5, 0:2, 9:12] = 1.0
    volume = Volume(array, Grid(array.shape, (1.0, 1.0, 1.0)))
    start, shape = crop_box(volume, StandardiseSettings(crop_xy_px=9))
    assert (start, shape) == ((0, -3, 6), (6, 9, 9))  # centre (3, 0.5, 10): the half goes up
    start, shape = crop_box(volume, StandardiseSettings(crop_xy_px=9, crop_z_px=3))
    assert (start, shape) == ((2, -3, 6), (3, 9, 9))
