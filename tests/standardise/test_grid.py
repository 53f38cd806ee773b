"""METHOD 2: brain centre and crop box."""

import numpy as np

from gbaseg.standardise.grid import brain_centre, crop_box
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Grid, Volume


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
