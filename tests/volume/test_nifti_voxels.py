"""Voxels of NIfTI files: types of number, scaling, axes, the bytes behind a name, and labels as whole numbers."""

import gzip

import nibabel
import numpy as np
import pytest

from gbaseg.volume import BadImage, read, read_label, write


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
def test_every_type_of_number_and_both_byte_orders_are_exact(tmp_path, scans, dtype, order):
    array = np.arange(60).reshape(3, 4, 5).astype(order + dtype)
    image = nibabel.Nifti1Image(array, scans.AFFINE, nibabel.Nifti1Header(endianness=order), dtype=array.dtype)
    nibabel.save(image, tmp_path / "s.nii")
    volume = read(tmp_path / "s.nii")
    assert volume.array.dtype == np.dtype(dtype) and volume.array.dtype.isnative
    assert np.array_equal(volume.array, array.T)
    write(volume, tmp_path / "o.nii.gz")
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "o.nii.gz").dataobj), array)


def test_scaling_is_nibabels(tmp_path, scans):
    for slope, inter in ((0.5, -10.0), (0.0, 5.0), (np.nan, np.nan), (-2.0, 900.0), (1.0, 0.0)):
        path = scans.save(tmp_path / "s.nii.gz", scl_slope=slope, scl_inter=inter)
        expected = np.asarray(nibabel.load(path).dataobj)
        assert np.allclose(read(path).array, expected.T, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "says"),
    [
        pytest.param(
            np.complex64, "complex", marks=pytest.mark.unusual("Scans and masks", "complex numbers", "a fault")
        ),
        pytest.param(
            [("R", "u1"), ("G", "u1"), ("B", "u1")],
            "RGB",
            marks=pytest.mark.unusual("Scans and masks", "colours (RGB)", "a fault"),
        ),
    ],
)
def test_pixels_that_are_no_real_number(tmp_path, scans, fault, dtype, says):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), dtype), scans.AFFINE), tmp_path / "s.nii.gz")
    assert says in fault(tmp_path / "s.nii.gz")


@pytest.mark.unusual("Scans and masks", "four axes, the last of length 1", "the one volume is read; of more, a fault")
def test_axes_of_one_voxel(tmp_path, scans, fault):
    array = scans.head()[0]
    nibabel.save(nibabel.Nifti1Image(array[..., None], scans.AFFINE), tmp_path / "one.nii.gz")
    assert np.array_equal(read(tmp_path / "one.nii.gz").array, array.T)
    nibabel.save(nibabel.Nifti1Image(np.stack([array, array], -1), scans.AFFINE), tmp_path / "two.nii.gz")
    assert "found 4D (28 x 28 x 14 x 2)" in fault(tmp_path / "two.nii.gz")


@pytest.mark.unusual("Scans and masks", "a plain file called .nii.gz, or bytes after the compressed data", "a fault")
def test_names_and_contents_that_differ(tmp_path, scans, fault):
    content = scans.save(tmp_path / "s.nii").read_bytes()
    (tmp_path / "s.nii.gz").write_bytes(content)
    assert "not compressed" in fault(tmp_path / "s.nii.gz")
    (tmp_path / "t.nii.gz").write_bytes(gzip.compress(content) + b"more")
    assert "4 bytes after" in fault(tmp_path / "t.nii.gz")
    (tmp_path / "u.nii.gz").write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]) + bytes(512))
    assert np.array_equal(read(tmp_path / "u.nii.gz").array, read(tmp_path / "s.nii").array)
    (tmp_path / "v.nii.gz").write_bytes(b"")
    assert "empty" in fault(tmp_path / "v.nii.gz")


@pytest.mark.unusual("Scans and masks", "a label of 0.99999994", "1, as all within 0.001 of a whole number, and said")
def test_labels_within_rounding_are_whole_numbers(tmp_path, scans):
    label = np.zeros((4, 5, 6), np.float32)
    label[1] = np.float32(0.99999994)
    path = scans.save(tmp_path / "l.nii.gz", label)
    volume = read_label(path)
    assert volume.array.dtype == np.int32 and np.unique(volume.array).tolist() == [0, 1]
    assert "0.99999994" in volume.notes[0]
    label[1] = 0.5
    scans.save(path, label)
    with pytest.raises(BadImage, match=r"no whole numbers: 0\.5 "):
        read_label(path)
