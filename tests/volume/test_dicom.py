"""DICOM series: read as their NIfTI twins are; what is missing, doubled or mixed is a fault."""

import locale
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from gbaseg import volume
from gbaseg.volume import BadImage, Grid, Volume
from gbaseg.volume.dicom import is_series, read_series

# Coronal, tilted by 10 degrees: no axis is the patient's.
_TILT = np.radians(10.0)
_AXES = np.array([[1, 0, 0], [0, np.sin(_TILT), np.cos(_TILT)], [0, -np.cos(_TILT), np.sin(_TILT)]])
GRID = Grid((6, 20, 24), (3.0, 0.8, 0.9), (-12.5, 30.25, 7.0), tuple(float(v) for v in _AXES.ravel()))


@contextmanager
def same_locale():
    """GDCM, when it writes, leaves the process with the locale C, in which Python reads text as ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def scan(shape=GRID.shape):
    return np.random.default_rng(1).integers(0, 2000, shape).astype(np.int16)


def write_series(
    folder, array, grid=GRID, uid="1.2.826.0.1.3680043.2.1125.1", slope="1", names=None, reference=True, first=0
):
    """A file a slice, named so that their order says nothing of where they lie."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = np.reshape(grid.direction, (3, 3))
    for z, plane in enumerate(array):
        # Of a slope with a fraction GDCM wants what it stands for, and stores what was measured.
        image = sitk.GetImageFromArray(plane if slope == "1" else plane * float(slope))
        image.SetSpacing(grid.spacing_zyx_mm[:0:-1])
        place = np.array(grid.origin_xyz_mm) + direction[:, 2] * grid.spacing_zyx_mm[0] * z
        tags = {
            "0008|0060": "MR", "0008|0016": "1.2.840.10008.5.1.4.1.1.4", "0020|000e": uid, "0020|000d": f"{uid}.9",
            "0008|0018": f"{uid}.{first + z + 1}", "0020|0013": str(first + z + 1),
            "0020|0032": "\\".join(f"{value:.6f}" for value in place),
            "0020|0037": "\\".join(f"{value:.8f}" for value in (*direction[:, 0], *direction[:, 1])),
            "0018|0050": str(grid.spacing_zyx_mm[0]), "0028|1053": slope, "0028|1052": "0",
        }  # fmt: skip
        if slope != "1":
            tags |= {"0028|0100": "16", "0028|0101": "16", "0028|0102": "15", "0028|0103": "1"}
        if reference:
            tags |= {"0020|0052": f"{uid}.8", "0010|0020": "p1", "0010|0010": "Doe^Jane"}
        for key, value in tags.items():
            image.SetMetaData(key, value)
        name = names[z] if names else f"IM{(z * 7) % 11:03d}"
        writer.SetFileName(str(folder / f"{name}.dcm"))
        with same_locale():
            writer.Execute(image)
    return folder


def fault(folder):
    with pytest.raises(BadImage) as raised:
        read_series(folder)
    assert str(raised.value).startswith(f"{folder}: ")
    return str(raised.value)


def test_a_series_is_its_nifti_twin(tmp_path):
    array, before = scan(), locale.setlocale(locale.LC_ALL)
    read = read_series(write_series(tmp_path / "series", array))
    assert locale.setlocale(locale.LC_ALL) == before, "reading leaves the process as it was"
    assert np.array_equal(read.array, array) and read.placed
    assert read.grid.agrees_with(GRID, 1e-5)
    volume.write(Volume(array, GRID), tmp_path / "twin.nii.gz")
    assert volume.read(tmp_path / "twin.nii.gz").grid.agrees_with(read.grid, 1e-4)


def test_only_folders_with_files_of_dicom_are_series(tmp_path):
    folder = write_series(tmp_path / "series", scan())
    (folder / "notes.txt").write_text("no image")
    assert is_series(folder) and not is_series(folder / "notes.txt")
    assert read_series(folder).array.shape == GRID.shape
    (tmp_path / "other").mkdir()
    (tmp_path / "other/short.dcm").write_bytes(b"DICM")
    (tmp_path / "other/DICOMDIR").write_bytes(bytes(128) + b"DICM")
    assert not is_series(tmp_path / "other") and not is_series(tmp_path / "gone")


def test_slices_that_are_rescaled_each_in_its_own_way(tmp_path):
    """As a scanner does that keeps every slice in all bits; the first one needs no fraction."""
    array = scan()
    folder = write_series(tmp_path / "series", array[:1], names=["0"])
    for z in range(1, 6):
        lower = np.array(GRID.origin_xyz_mm) + np.reshape(GRID.direction, (3, 3))[:, 2] * 3.0 * z
        grid = replace(GRID, origin_xyz_mm=tuple(float(mm) for mm in lower))
        one = write_series(tmp_path / f"one{z}", array[z : z + 1], grid, slope="0.5", names=[f"{z}"], first=z)
        shutil.copyfile(one / f"{z}.dcm", folder / f"{z}.dcm")
    read = read_series(folder)
    assert np.array_equal(read.array[0], array[0]) and np.allclose(read.array[1:], 0.5 * array[1:])


@pytest.mark.unusual(
    "Scans and masks", "a DICOM series with a slice missing, or twice", "the distances found; nothing is filled in"
)
def test_missing_and_doubled_slices(tmp_path):
    folder = write_series(tmp_path / "series", scan(), names=[f"{z}" for z in range(6)])
    (folder / "3.dcm").unlink()
    assert "slices 3 to 6 mm apart: some are missing, or not evenly spaced" in fault(folder)
    twice = write_series(tmp_path / "twice", scan(), names=[f"{z}" for z in range(6)])
    again = write_series(tmp_path / "again", scan(), names=[f"b{z}" for z in range(6)])
    for file in again.iterdir():
        shutil.copyfile(file, twice / file.name)
    assert "two slices at one place" in fault(twice)


@pytest.mark.unusual(
    "Scans and masks", "a folder with the slices of two DICOM series", "how many; one a folder is allowed"
)
def test_two_series_in_a_folder(tmp_path):
    folder = write_series(tmp_path / "both", scan(), names=[f"a{z}" for z in range(6)])
    write_series(folder, scan(), uid="1.2.826.0.1.3680043.2.1125.2", names=[f"b{z}" for z in range(6)])
    assert "2 DICOM series; allowed: the slices of one series in a folder" in fault(folder)


@pytest.mark.unusual("Scans and masks", "a DICOM series with a file that is cut off", "cannot be read")
def test_a_file_that_is_cut_off(tmp_path):
    folder = write_series(tmp_path / "series", scan(), names=[f"{z}" for z in range(6)])
    whole = (folder / "2.dcm").read_bytes()
    (folder / "2.dcm").write_bytes(whole[: len(whole) // 2])
    fault(folder)


def cut(file, size):
    file.write_bytes(file.read_bytes()[:size])


@pytest.mark.unusual(
    "Scans and masks",
    "a DICOM series whose first or last slice is empty, zeros, or cut off anywhere",
    "a fault that names the file; GDCM would pass over it, and the scan be shorter",
)
@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: cut(file, 0),
        lambda file: cut(file, 140),
        lambda file: cut(file, 400),
        lambda file: cut(file, -2),
        lambda file: file.write_bytes(bytes(1000)),
        lambda file: (cut(file, 0), file.rename(file.with_suffix(".DCM"))),
    ],
)
def test_a_slice_that_gdcm_passes_over(tmp_path, spoil, at):
    folder = write_series(tmp_path / "series", scan(), names=[f"{z}" for z in range(6)])
    spoil(folder / f"{at}.dcm")
    assert f"1 file(s) beside 5 slice(s) that cannot be read: {at}." in fault(folder)


@pytest.mark.parametrize("name", ["IM{}", "{}", "1.2.840.{}", "MR.1.2.{}.17"])
def test_an_empty_slice_among_names_without_an_end(tmp_path, name):
    folder = write_series(tmp_path / "series", scan(), names=[f"{z}" for z in range(6)])
    for file in list(folder.iterdir()):
        file.rename(folder / name.format(file.stem))
    (folder / "README").write_text("no slice")
    (folder / "LOCKFILE").touch()
    assert read_series(folder).array.shape == GRID.shape
    cut(folder / name.format(5), 0)
    assert f"cannot be read: {name.format(5)}" in fault(folder)


def test_a_report_and_hidden_files_beside_a_series_are_no_slices(tmp_path):
    """A report is DICOM of another kind, without an image."""
    folder = write_series(tmp_path / "series", scan(), names=[f"{z}" for z in range(6)])
    kind, other = b"1.2.840.10008.5.1.4.1.1.4", b"1.2.840.10008.5.1.4.1.1.9"
    report = (folder / "0.dcm").read_bytes().replace(kind, other)
    (folder / "report.dcm").write_bytes(report[:600])
    (folder / "._0.dcm").write_bytes(bytes(100))
    assert np.array_equal(read_series(folder).array, scan())


@pytest.mark.unusual("Scans and masks", "a DICOM series with a link that leads to nothing", "a fault that names it")
def test_a_slice_that_is_a_link_to_nothing(tmp_path):
    folder = write_series(tmp_path / "series", scan(), names=[f"{z}" for z in range(6)])
    (folder / "5.dcm").unlink()
    (folder / "5.dcm").symlink_to("gone")
    assert "links to nothing: 5.dcm" in fault(folder)


@pytest.mark.unusual(
    "Scans and masks",
    "a DICOM series without PixelSpacing, ImagePositionPatient or ImageOrientationPatient, or with what is none",
    "a fault that names file and attribute; ITK would take 1 mm, or the patient's axes",
)
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PixelSpacing", None, "PixelSpacing missing"),
        ("PixelSpacing", [0, 0], "PixelSpacing 0, 0"),
        ("ImagePositionPatient", None, "ImagePositionPatient missing"),
        ("ImageOrientationPatient", None, "ImageOrientationPatient missing"),
        ("ImageOrientationPatient", [1, 0, 0, 0.1, 0.995, 0], "ImageOrientationPatient 1, 0, 0, 0.1"),
    ],
)
def test_a_header_that_does_not_say_where_its_slice_lies(tmp_path, name, value, says):
    pydicom = pytest.importorskip("pydicom", reason="of the extra gbaseg[dicom]")
    folder = write_series(tmp_path / "series", scan(), names=[f"{z}" for z in range(6)])
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        if value is None:
            delattr(header, name)
        else:
            setattr(header, name, value)
        header.save_as(file)
    assert says in fault(folder) and ".dcm" in fault(folder)
