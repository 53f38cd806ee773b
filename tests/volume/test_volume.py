"""Grids and volumes: resampling, cropping and the way back keep every voxel where it is in the patient."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from gbaseg.volume import BadImage, Grid, Volume, crop_or_pad, read, resample, write

OBLIQUE = tuple(
    float(v) for v in np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.2, 1.0, 0.3], [0.0, -0.3, 1.0]]))[0].ravel()
)


def position(grid: Grid, index_zyx: tuple[int, ...]) -> np.ndarray:
    """Where a voxel's centre lies in the patient (x, y, z), mm, by ITK's definition."""
    step = np.array(index_zyx[::-1]) * np.array(grid.spacing_zyx_mm[::-1])
    return np.array(grid.origin_xyz_mm) + np.array(grid.direction).reshape(3, 3) @ step


@given(
    start=st.tuples(*[st.integers(-4, 6)] * 3),
    shape=st.tuples(*[st.integers(1, 8)] * 3),
)
@settings(max_examples=30)
def test_a_crop_leaves_voxels_in_place_and_can_be_undone(start, shape):
    rng = np.random.default_rng(0)
    volume = Volume(rng.normal(size=(5, 6, 7)), Grid((5, 6, 7), (2.0, 0.5, 0.7), (3.0, -2.0, 9.0), OBLIQUE))
    crop = crop_or_pad(volume, start, shape, fill=-9.0)
    assert np.allclose(position(crop.grid, (0, 0, 0)), position(volume.grid, start))
    back = crop_or_pad(crop, tuple(-v for v in start), volume.grid.shape, fill=-9.0)
    assert back.grid.agrees_with(volume.grid, 1e-9)
    kept = back.array != -9.0
    assert np.array_equal(back.array[kept], volume.array[kept])


def test_respaced_keeps_the_outer_faces():
    grid = Grid((10, 20, 30), (2.0, 0.5, 0.5), (1.0, 2.0, 3.0), OBLIQUE)
    new = grid.respaced((1.0, 1.0, 1.0))
    assert new.shape == (20, 10, 15)
    # the corner of the first voxel, half a voxel before its centre
    corner, new_corner = position(grid, (-0.5,) * 3), position(new, (-0.5,) * 3)
    assert np.allclose(corner, new_corner)
    assert new.voxel_mm3 == pytest.approx(1.0)


def test_resampling_a_ramp_gives_the_ramp():
    """Away from the border: there the spline's mirrored edge bends the ramp, by 0.27 times less each voxel inwards."""
    z, y, x = np.mgrid[:20, :22, :24].astype(np.float32)
    grid = Grid((20, 22, 24), (2.0, 1.0, 1.0))
    volume = Volume(3 * z * 2.0 + 2 * y + x, grid)
    fine = resample(volume, grid.respaced((1.0, 0.5, 0.5)), "image")
    expected = np.empty(fine.grid.shape)
    for index in np.ndindex(*fine.grid.shape):
        at = position(fine.grid, index)
        expected[index] = 3 * at[2] + 2 * at[1] + at[0]
    inner = (slice(14, -14),) * 3
    assert np.allclose(fine.array[inner], expected[inner], atol=0.01)


def test_shrinking_does_not_alias():
    """A pattern finer than the new grid averages out, where plain interpolation would keep its full swing."""
    checker = np.indices((24, 24, 24)).sum(axis=0) % 2 * 1.0
    grid = Grid((24, 24, 24), (1.0, 1.0, 1.0))
    shrunk = resample(Volume(checker.astype(np.float32), grid), grid.respaced((3.0, 3.0, 3.0)), "image")
    assert np.abs(shrunk.array[2:-2, 2:-2, 2:-2] - 0.5).max() < 0.1


def test_labels_keep_their_values():
    rng = np.random.default_rng(1)
    label = Volume(rng.choice([0, 2, 5], size=(6, 7, 8)).astype(np.uint8), Grid((6, 7, 8), (2.0, 1.0, 1.0)))
    out = resample(label, label.grid.respaced((1.3, 0.7, 0.7)), "label")
    assert out.array.dtype == np.uint8
    assert set(np.unique(out.array)) <= {0, 2, 5}


def test_write_and_read_keep_voxels_and_geometry(tmp_path):
    volume = Volume(
        np.arange(24, dtype=np.int16).reshape(2, 3, 4), Grid((2, 3, 4), (2.5, 0.9, 0.8), (1, 2, 3), OBLIQUE)
    )
    write(volume, tmp_path / "deep" / "scan.nii.gz")
    back = read(tmp_path / "deep" / "scan.nii.gz")
    assert np.array_equal(back.array, volume.array)
    assert back.grid.agrees_with(volume.grid, 1e-4)


def test_reading_a_4d_image_names_the_file(tmp_path):
    path = tmp_path / "series.nii.gz"
    sitk.WriteImage(sitk.Image([3, 4, 5, 2], sitk.sitkFloat32), str(path))
    with pytest.raises(BadImage, match=r"series\.nii\.gz.*4D"):
        read(path)
