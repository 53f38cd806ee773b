"""DICOM files of several frames (enhanced MR): each frame where its header says, or a fault."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gbaseg.volume import BadImage, frames
from gbaseg.volume.dicom import read_series

pydicom = pytest.importorskip("pydicom", reason="of the extra gbaseg[dicom]")
_spec = importlib.util.spec_from_file_location("series", Path(__file__).with_name("test_dicom.py"))
series = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(series)
GRID, fault, scan = series.GRID, series.fault, series.scan

ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
AXES = np.reshape(GRID.direction, (3, 3))


def groups(**of):
    """A functional group: its sequences, of one item each."""
    group = pydicom.Dataset()
    for sequence, (name, value) in of.items():
        item = pydicom.Dataset()
        setattr(item, name, value)
        setattr(group, sequence, [item])
    return group


def place(z, gap=0.0):
    at = np.array(GRID.origin_xyz_mm) + AXES[:, 2] * (3.0 * z + (gap if z > 3 else 0.0))
    return [float(value) for value in at]


def write_frames(folder, order=range(6), gap=0.0, slopes=None, name="all.dcm"):
    """Frames of `scan()` in one file, stored in an order of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = ENHANCED
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    header.SeriesInstanceUID, header.StudyInstanceUID, header.Modality = "1.2.3.4", "1.2.3", "MR"
    (_, header.Rows, header.Columns), header.NumberOfFrames = GRID.shape, len(order)
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 1
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    shared = groups(
        PixelMeasuresSequence=("PixelSpacing", [0.8, 0.9]),
        PlaneOrientationSequence=("ImageOrientationPatient", [float(v) for v in (*AXES[:, 0], *AXES[:, 1])]),
    )
    shared.PixelMeasuresSequence[0].SpacingBetweenSlices = 3.0
    each = [groups(PlanePositionSequence=("ImagePositionPatient", place(z, gap))) for z in order]
    for z, group in zip(order, each, strict=True):
        if slopes:
            group.PixelValueTransformationSequence = groups(
                PixelValueTransformationSequence=("RescaleSlope", slopes[z])
            ).PixelValueTransformationSequence
            group.PixelValueTransformationSequence[0].RescaleIntercept = 0
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], each
    header.PixelData = scan()[list(order)].tobytes()
    header.save_as(folder / name, enforce_file_format=True)
    return folder


@pytest.mark.unusual(
    "Scans and masks",
    "an enhanced DICOM file whose frames are stored downwards, or in any order",
    "each frame lies where its header says; ITK alone would turn the scan upside down",
)
@pytest.mark.parametrize("order", [range(6), range(5, -1, -1), [0, 2, 1, 3, 5, 4]])
def test_frames_lie_where_each_says(tmp_path, order):
    read = read_series(write_frames(tmp_path / "frames", order))
    assert np.array_equal(read.array, scan()) and read.placed
    assert read.grid.agrees_with(GRID, 1e-5)


def test_one_frame_a_file_is_a_series(tmp_path):
    for z in range(6):
        write_frames(tmp_path / "frames", [z], name=f"{5 - z}.dcm")
    read = read_series(tmp_path / "frames")
    assert np.array_equal(read.array, scan()) and read.grid.agrees_with(GRID, 1e-5)


@pytest.mark.unusual(
    "Scans and masks",
    "an enhanced DICOM file with two points in time, a frame missing, or frames that are rescaled differently",
    "a fault",
)
def test_frames_that_are_no_stack(tmp_path):
    assert "two slices at one place" in fault(write_frames(tmp_path / "twice", [*range(6), *range(6)]))
    assert "slices 3 to 9 mm apart" in fault(write_frames(tmp_path / "gap", gap=6.0))
    assert "rescalings" in fault(write_frames(tmp_path / "slopes", slopes=[1, 2, 3, 4, 5, 6]))
    write_frames(tmp_path / "files", range(3), name="a.dcm")
    assert "2 files, some of several frames" in fault(write_frames(tmp_path / "files", range(3, 6), name="b.dcm"))


def test_frames_that_do_not_say_where_they_lie(tmp_path):
    folder = write_frames(tmp_path / "frames")
    header = pydicom.dcmread(folder / "all.dcm")
    del header.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence
    header.save_as(folder / "all.dcm")
    assert "1 of 6 frames without ImagePositionPatient" in fault(folder)
    del header.PerFrameFunctionalGroupsSequence
    header.save_as(folder / "all.dcm")
    assert "6 frame(s) in one file, and the places of 0" in fault(folder)


def test_without_pydicom_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(BadImage, match=r"pydicom, which is not installed; allowed: pip install .*\[dicom\]"):
        read_series(write_frames(tmp_path / "frames"))
