"""Masks as DICOM segmentations: read again they are the masks, of the series that they are of."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from gbaseg import volume
from gbaseg.commands import predict
from gbaseg.commands.predict_extras import Wanted
from gbaseg.errors import UserError
from gbaseg.inference import dicom_seg
from gbaseg.inference.dicom_seg import seg_faults, write_seg
from gbaseg.inference.find import Described
from gbaseg.inference.scans import accepted, standardised
from gbaseg.inference.segment import segment
from gbaseg.volume import Grid
from gbaseg.volume.resampling import to_sitk

hd = pytest.importorskip("highdicom", reason="of the extra gbaseg[dicom]")
pydicom = pytest.importorskip("pydicom", reason="of the same")
_spec = importlib.util.spec_from_file_location("series", Path(__file__).parents[1] / "volume/test_dicom.py")
series = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(series)
GRID = Grid((30, 64, 60), (2.5, 1.2, 1.35), (-12.5, 30.25, 7.0), series.GRID.direction)


@pytest.fixture
def coronal(drawn, tmp_path):
    """A tilted coronal series, its slices not in the order of their names."""
    array = np.round(drawn(GRID, (5.0, -3.0, 4.0)).array).clip(0).astype(np.int16)
    names = [f"{(7 * z) % 30:03d}" for z in range(30)]
    return series.write_series(tmp_path / "coronal", array, GRID, names=names)


def segmented(model, folder):
    given = standardised(accepted(folder, model.settings), model.settings, False)
    return segment(given, model, "coronal")


def test_what_is_written_is_the_mask_of_that_series(coronal, sure, tmp_path):
    found = segmented(sure(0.0), coronal)
    assert found.mask.array.any()
    write_seg(found, coronal, tmp_path / "out/seg.dcm", "round_1")
    read = hd.seg.segread(tmp_path / "out/seg.dcm")
    assert [one.SegmentLabel for one in read.SegmentSequence] == ["VS"]
    uids = [hd.imread(file).SOPInstanceUID for file in dicom_seg.slice_files(coronal)]
    planes = read.get_pixels_by_source_instance(uids, combine_segments=True, assert_missing_frames_are_empty=True)
    assert np.array_equal(planes, found.mask.array)
    source = hd.imread(dicom_seg.slice_files(coronal)[0])
    for name in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert getattr(read, name) == getattr(source, name)
    # Where it says itself that its frames lie.
    placed = read.get_volume(combine_segments=True)
    where = placed.map_indices_to_reference(np.argwhere(placed.array == 1)).mean(axis=0)
    index = np.argwhere(found.mask.array == 1).mean(axis=0)[::-1] * np.array(GRID.spacing_zyx_mm[::-1])
    assert where == pytest.approx(np.array(GRID.origin_xyz_mm) + np.reshape(GRID.direction, (3, 3)) @ index, abs=1e-3)


def blocks(*places):
    """A mask on the series' grid with a block in some of its slices, here and there."""
    mask = np.zeros(GRID.shape, np.uint8)
    for z in places:
        mask[z, 3 + z : 9 + z, 50 - z : 52] = 1
    return mask


@pytest.mark.parametrize(
    "places", [(5, 9, 12), (0,), (17,), (28, 29), tuple(range(30))], ids=["gaps", "first", "one", "last", "all"]
)
def test_a_reader_of_another_make_finds_the_same_voxels_in_the_same_place(places, coronal, sure, tmp_path):
    """ITK's GDCM, which shares no line with highdicom and pydicom, takes the frames for a stack."""
    segmentation = segmented(sure(0.0), coronal)
    mask = segmentation.mask.with_array(blocks(*places))
    write_seg(replace(segmentation, mask=mask), coronal, tmp_path / "seg.dcm", "round_1")
    stack = sitk.ReadImage(str(tmp_path / "seg.dcm"))
    on_series = sitk.Resample(stack, to_sitk(mask), sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, sitk.sitkUInt8)
    assert np.array_equal(sitk.GetArrayFromImage(on_series) > 0, mask.array > 0)
    # Its own voxels, not between them.
    index = [
        stack.TransformPhysicalPointToContinuousIndex(to_sitk(mask).TransformIndexToPhysicalPoint((3, 4, z)))
        for z in places
    ]
    assert np.abs(np.array(index) - np.round(index)).max() < 1e-2


def test_equal_masks_have_equal_uids(coronal, sure, tmp_path):
    found = segmented(sure(0.0), coronal)
    for name in "ab":
        write_seg(found, coronal, tmp_path / f"{name}.dcm", "round_1")
    write_seg(segmented(sure(-0.2), coronal), coronal, tmp_path / "c.dcm", "round_1")
    first, again, other = (hd.seg.segread(tmp_path / f"{name}.dcm").SOPInstanceUID for name in "abc")
    assert first == again != other


def test_an_empty_mask_is_written_too(coronal, sure, tmp_path):
    found = segmented(sure(-1.0), coronal)
    assert not found.mask.array.any()
    write_seg(found, coronal, tmp_path / "seg.dcm", "round_1")
    assert not hd.seg.segread(tmp_path / "seg.dcm").pixel_array.any()


def test_the_command_writes_it_beside_the_mask(coronal, sure, tmp_path, monkeypatch):
    model = sure(0.0)
    described = Described("round_1", model.settings, (), lambda: model)
    monkeypatch.setattr(predict, "describe", lambda *_: described)
    predict.run([coronal], tmp_path / "masks", None, wanted=Wanted(dicom_seg=True))
    files = sorted(str(path.relative_to(tmp_path / "masks")) for path in (tmp_path / "masks").rglob("*.*"))
    assert files == ["coronal.nii.gz", "dicom_seg/coronal.dcm", "predictions.csv"]
    voxels = np.count_nonzero(volume.read(tmp_path / "masks/coronal.nii.gz").array)
    assert hd.seg.segread(tmp_path / "masks/dicom_seg/coronal.dcm").pixel_array.sum() == voxels


@pytest.mark.unusual(
    "Commands",
    "`predict --dicom-seg` of a NIfTI scan, or of a series without a frame of reference",
    "which, before work",
)
def test_what_no_segmentation_can_be_of(coronal, tmp_path, drawn):
    volume.write(drawn(GRID, (0, 0, 0)), tmp_path / "scan.nii.gz")
    bare = series.write_series(tmp_path / "bare", series.scan(), reference=False)
    nifti, series_fault = seg_faults([tmp_path / "scan.nii.gz", coronal, bare, tmp_path / "gone"])
    assert "scan.nii.gz: --dicom-seg; allowed: folders of DICOM series" in nifti
    assert "bare: --dicom-seg without FrameOfReferenceUID in the series" in series_fault


@pytest.mark.unusual(
    "Commands",
    "`predict --dicom-seg` of enhanced files, or of a series with a date of birth or a sex that DICOM does not have",
    "which attribute, before work, and not what stands there",
)
def test_what_cannot_be_taken_over_is_said_before_work_and_without_its_words(coronal, tmp_path):
    frames = tmp_path / "frames"
    shutil.copytree(coronal, frames)
    for file in coronal.iterdir():
        header = pydicom.dcmread(file)
        with pytest.warns(UserWarning, match="DA"):
            header.PatientBirthDate, header.StudyTime, header.PatientSex = "1970", "120000", "Q"
        header.save_as(file)
        header = pydicom.dcmread(frames / file.name)
        header.PerFrameFunctionalGroupsSequence = [pydicom.Dataset()]
        header.save_as(frames / file.name)
    odd, enhanced = seg_faults([coronal, frames])
    assert "--dicom-seg takes over a PatientBirthDate that is none, a PatientSex that is none; allowed" in odd
    assert "1970" not in odd and "frames: --dicom-seg of enhanced files" in enhanced


def test_without_highdicom_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(dicom_seg, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"highdicom is not installed; pip install -c constraints.txt -e '\.\[dicom\]'"):
        dicom_seg.check_installed()
