"""NIfTI files as they stand: the file that was named, its header followed or refused, and masks where the scan is."""

import gzip
import json
import re

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from gbaseg.evaluation.folders import Pair, score_pair
from gbaseg.raw.checks import read_image
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.standardise.case import StandardCase, standardise_image, standardise_label, to_raw
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Volume, read, read_grid, read_label, same_voxels, write

SETTINGS = StandardiseSettings(spacing_xyz_mm=(3.0, 3.0, 5.0), crop_xy_px=32)


def moved(affine):
    """Turned by 12 degrees about the long axis and moved by 8, -5, 10 mm, as coregistration does."""
    angle = np.radians(12.0)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = 8, -5, 10
    return turn @ affine


def rows(affine):
    return {"srow_x": affine[0], "srow_y": affine[1], "srow_z": affine[2]}


def centre(path, affine=None):
    """Centre of a mask in the patient, as nibabel sees it, mm."""
    image = nibabel.load(path)
    at = np.argwhere(np.asarray(image.dataobj) > 0).mean(axis=0)
    return nibabel.affines.apply_affine(image.affine if affine is None else affine, at)


def itk_centre(path):
    image = sitk.ReadImage(str(path))
    at = np.argwhere(sitk.GetArrayFromImage(image) > 0).mean(axis=0)[::-1]
    return np.array(image.TransformContinuousIndexToPhysicalPoint([float(v) for v in at]))


def through_the_pipeline(scans, path, out):
    """The ball, found in the standard image by its brightness, written as a mask of the scan."""
    image = read(path)
    standard, record = standardise_image(image, SETTINGS)
    record = StandardCase.from_dict(json.loads(json.dumps(record.to_dict())))
    ball = Volume((standard.array > 0.7).astype(np.uint8), standard.grid)
    write(to_raw(ball, record), out)
    return out


def dice(a, b):
    return 2 * np.sum((a > 0) & (b > 0)) / (np.sum(a > 0) + np.sum(b > 0))


def check_mask(scans, path, out):
    """The mask is on the ball for nibabel and ITK, wherever they see the scan."""
    through_the_pipeline(scans, path, out)
    truth = scans.head()[1]
    mask = nibabel.load(out)
    assert dice(np.asarray(mask.dataobj), truth) > 0.99
    assert np.allclose(mask.affine, nibabel.load(path).affine, atol=1e-4)
    mine, theirs = sitk.ReadImage(str(out)), sitk.ReadImage(str(path))
    assert np.allclose(mine.GetOrigin(), theirs.GetOrigin(), atol=1e-3)
    assert np.allclose(mine.GetDirection(), theirs.GetDirection(), atol=1e-5)
    assert np.allclose(mine.GetSpacing(), theirs.GetSpacing(), atol=1e-5)


@pytest.mark.unusual(
    "Scans and masks", "A.nii beside A.nii.gz, and a pair A.hdr, A.img", "the file that was named is read"
)
def test_the_file_that_was_named_is_read(tmp_path, scans, fault):
    for value, name in enumerate(("A.nii", "A.nii.gz", "B.NII.GZ"), start=1):
        array = np.full((4, 5, 6), value, np.int16)
        nibabel.save(nibabel.Nifti1Image(array, scans.AFFINE), tmp_path / name.lower())
        (tmp_path / name.lower()).rename(tmp_path / name)
    nibabel.save(nibabel.Nifti1Pair(np.full((4, 5, 6), 9, np.int16), scans.AFFINE), tmp_path / "A.img")
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "A.nii.gz")
    for value, name in ((1, "A.nii"), (2, "A.nii.gz"), (3, "B.NII.GZ"), (2, "link.nii.gz")):
        assert (read(tmp_path / name).array == value).all(), name
    for name in ("A.img", "A.hdr"):
        assert "no format that is read" in fault(tmp_path / name)


@pytest.mark.unusual(
    "Scans and masks",
    "sform (code 2) moved by 12 degrees and 8, -5, 10 mm beside a qform (code 1)",
    "computed with: the sform; the mask carries both forms with their codes",
)
def test_a_mask_carries_both_forms(tmp_path, scans):
    path = scans.save(tmp_path / "s.nii.gz", **rows(moved(scans.AFFINE)), sform_code=2)
    check_mask(scans, path, tmp_path / "m.nii.gz")
    mine, theirs = nibabel.load(tmp_path / "m.nii.gz").header, nibabel.load(path).header
    for name in ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d",
                 "qoffset_x", "qoffset_y", "qoffset_z"):  # fmt: skip
        assert np.array_equal(mine[name], theirs[name]), name
    assert np.array_equal(mine["pixdim"][:4], theirs["pixdim"][:4])
    (note,) = read(path).notes
    assert "differ, by 12 degrees" in note and "computed with: the sform" in note


@pytest.mark.unusual(
    "Scans and masks",
    "a label that another program (ITK-SNAP, 3D Slicer) saved by the scan's qform alone, the sform being another",
    "the scan's voxels: it trains and scores as it stands",
)
@pytest.mark.parametrize("saved", ["by ITK", "with the qform alone", "with the sform alone"])
def test_a_label_that_another_program_saved_is_of_its_scan(tmp_path, scans, saved):
    scan, ball = scans.head()
    path = scans.save(tmp_path / "s.nii.gz", scan, **rows(moved(scans.AFFINE)), sform_code=2)
    label = tmp_path / "label.nii.gz"
    if saved == "by ITK":
        image = sitk.ReadImage(str(path))
        sitk.WriteImage(sitk.Cast(image > 700, sitk.sitkUInt8), str(label))
        assert not np.allclose(nibabel.load(label).affine, nibabel.load(path).affine, atol=1.0)  # of the qform
    else:
        affine, codes = (scans.AFFINE, (0, 1)) if saved == "with the qform alone" else (moved(scans.AFFINE), (2, 0))
        scans.save(label, ball, affine, sform_code=codes[0], qform_code=codes[1])
    standard, record = standardise_image(read(path), SETTINGS)
    record = StandardCase.from_dict(json.loads(json.dumps(record.to_dict())))
    on_grid = standardise_label(read_label(label), record)
    assert dice(on_grid.array, standard.array > 0.7) > 0.95
    ours = through_the_pipeline(scans, path, tmp_path / "m.nii.gz")
    [score] = score_pair(Pair("s", ours, label), {"ball": 1}, 350.0, resample_prediction=True).scores
    assert score.dice > 0.99
    other = scans.save(tmp_path / "other.nii.gz", ball, moved(moved(scans.AFFINE)))
    assert not same_voxels(read_grid(other), read_grid(path))


@pytest.mark.parametrize(
    ("codes", "unit"), [((1, 1), 2), ((0, 1), 2), ((2, 0), 2), ((4, 1), 2), ((1, 1), 0), ((1, 2), 2)]
)
def test_codes_and_units_are_carried(tmp_path, scans, codes, unit):
    path = scans.save(tmp_path / "s.nii.gz", sform_code=codes[0], qform_code=codes[1], xyzt_units=unit)
    check_mask(scans, path, tmp_path / "m.nii.gz")
    header = nibabel.load(tmp_path / "m.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"]), int(header["xyzt_units"])) == (*codes, unit)


@pytest.mark.parametrize(("unit", "mm"), [(1, 1000.0), (3, 0.001)])
@pytest.mark.unusual(
    "Scans and masks", "a header in metres or micrometres (xyzt_units)", "read as such, and the mask is, too"
)
def test_metres_and_micrometres(tmp_path, scans, unit, mm):
    affine = scans.AFFINE / mm
    affine[3, 3] = 1.0
    path = scans.save(tmp_path / "s.nii.gz", affine=affine, xyzt_units=unit)
    assert read(path).grid.spacing_zyx_mm == pytest.approx((5.0, 3.0, 3.0), rel=1e-6)
    check_mask(scans, path, tmp_path / "m.nii.gz")


MIRRORED = np.diag([-1.0, 1.0, 1.0, 1.0])


BAD_HEADERS = [
    pytest.param(lambda a: rows(MIRRORED @ a), "mirror image",
        marks=pytest.mark.unusual("Scans and masks", "sform and qform mirrored", "a fault that names both")),
    pytest.param(lambda a: rows(np.diag([-1.0, -1.0, 1.0, 1.0]) @ a), "180 degrees apart",
        marks=pytest.mark.unusual("Scans and masks", "sform and qform half a turn apart", "a fault of both")),
    pytest.param(lambda a: {"pixdim": {3: 6.0}}, "voxels of 3, 3, 5 beside pixdim 3, 3, 6",
        marks=pytest.mark.unusual("Scans and masks", "pixdim 6 mm beside an sform of 5 mm", "a fault of both")),
    pytest.param(lambda a: {"pixdim": {3: 0.0}, "sform_code": 0}, "pixdim 3, 3, 0 .* beside a qform",
        marks=pytest.mark.unusual("Scans and masks", "pixdim z = 0 and no sform", "a fault")),
    pytest.param(lambda a: {"pixdim": {2: np.nan}, "sform_code": 0, "qform_code": 0}, "pixdim 3, nan, 5",
        marks=pytest.mark.unusual("Scans and masks", "pixdim NaN and no form", "a fault")),
    pytest.param(lambda a: {"srow_x": [-3.0, 1.0, 0.0, 40.0]}, "degrees from right angles",
        marks=pytest.mark.unusual("Scans and masks", "a sheared sform", "a fault")),
    pytest.param(lambda a: {"srow_x": [np.nan, 0.0, 0.0, 40.0]}, "which is no place",
        marks=pytest.mark.unusual("Scans and masks", "NaN in the sform", "a fault")),
    pytest.param(lambda a: {"quatern_b": 1.0, "quatern_c": 1.0}, "which is no rotation",
        marks=pytest.mark.unusual("Scans and masks", "a quaternion that is not of length 1", "a fault")),
    pytest.param(lambda a: {"pixdim": {0: 7.0}}, "qfac",
        marks=pytest.mark.unusual("Scans and masks", "qfac 7", "a fault; 0 is 1")),
    pytest.param(lambda a: {"sform_code": 9}, "sform_code 9",
        marks=pytest.mark.unusual("Scans and masks", "sform_code 9", "a fault")),
    pytest.param(lambda a: {"xyzt_units": 5}, "xyzt_units 5",
        marks=pytest.mark.unusual("Scans and masks", "an unknown unit of length", "a fault")),
    pytest.param(lambda a: {"scl_slope": np.inf}, "scl_slope inf",
        marks=pytest.mark.unusual("Scans and masks", "scl_slope infinite", "a fault")),
    pytest.param(lambda a: {"scl_slope": 2.0, "scl_inter": np.nan}, "scl_inter nan",
        marks=pytest.mark.unusual("Scans and masks", "scl_inter NaN beside a slope", "a fault")),
    pytest.param(lambda a: {"magic": b"ni1"}, "lie in another file",
        marks=pytest.mark.unusual("Scans and masks", "a NIfTI pair's header called .nii", "a fault")),
    pytest.param(lambda a: {"magic": b"abc"}, "magic",
        marks=pytest.mark.unusual("Scans and masks", "a .nii without NIfTI's magic (Analyze)", "a fault")),
    pytest.param(lambda a: {"dim": {0: 9}}, "no size of an image",
        marks=pytest.mark.unusual("Scans and masks", "9 axes in dim", "a fault")),
    pytest.param(lambda a: {"dim": {1: -28}}, "no size of an image",
        marks=pytest.mark.unusual("Scans and masks", "a negative number of voxels", "a fault")),
    pytest.param(lambda a: {"dim": {1: 32767, 2: 32767, 3: 32767}}, "cut off",
        marks=pytest.mark.unusual("Scans and masks", "a header that tells of 70 TB", "a fault, no memory taken")),
    pytest.param(lambda a: {"dim": {3: 13}}, "bytes follow",
        marks=pytest.mark.unusual("Scans and masks", "fewer slices in the header than in the file", "a fault")),
    pytest.param(lambda a: {"vox_offset": 0}, "vox_offset",
        marks=pytest.mark.unusual("Scans and masks", "voxels that begin inside the header", "a fault")),
    pytest.param(lambda a: {"vox_offset": np.inf}, "vox_offset",
        marks=pytest.mark.unusual("Scans and masks", "vox_offset infinite", "a fault")),
    pytest.param(lambda a: {"datatype": 77}, "datatype 77",
        marks=pytest.mark.unusual("Scans and masks", "an unknown datatype", "a fault")),
    pytest.param(lambda a: {"bitpix": 8}, "bitpix",
        marks=pytest.mark.unusual("Scans and masks", "bitpix that contradicts the datatype", "a fault")),
]  # fmt: skip


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("fields", "says"), BAD_HEADERS)
def test_headers_that_are_refused(tmp_path, scans, fault, fields, says, suffix):
    path = scans.save(tmp_path / f"s{suffix}", **fields(scans.AFFINE))
    text = fault(path)
    assert re.search(says, text), text


@pytest.mark.parametrize(
    "pixdim",
    [
        pytest.param(
            {3: 0.0},
            marks=pytest.mark.unusual(
                "Scans and masks", "pixdim z = 0 beside a good sform", "the sform's 5 mm, and said"
            ),
        ),
        pytest.param(
            {1: -3.0}, marks=pytest.mark.unusual("Scans and masks", "a negative pixdim", "the sform's size, and said")
        ),
        pytest.param(
            {2: np.nan}, marks=pytest.mark.unusual("Scans and masks", "pixdim NaN", "the sform's size, and said")
        ),
    ],
)
def test_voxel_sizes_that_are_none_are_the_sforms(tmp_path, scans, pixdim):
    path = scans.save(tmp_path / "s.nii.gz", pixdim=pixdim)
    volume = read(path)
    assert volume.grid.spacing_zyx_mm == (5.0, 3.0, 3.0) and "is no voxel size" in volume.notes[0]
    through_the_pipeline(scans, path, tmp_path / "m.nii.gz")
    header = nibabel.load(tmp_path / "m.nii.gz").header
    assert header.get_zooms() == (3.0, 3.0, 5.0)
    truth = nibabel.affines.apply_affine(scans.AFFINE, np.argwhere(scans.head()[1]).mean(axis=0))
    assert np.linalg.norm(centre(tmp_path / "m.nii.gz") - truth) < 0.5
    assert np.linalg.norm(itk_centre(tmp_path / "m.nii.gz") * (-1, -1, 1) - truth) < 0.5


def test_a_template_space_beside_a_qform(tmp_path, scans):
    """A brain scaled to a template: its own sizes are the qform's."""
    path = scans.save(tmp_path / "s.nii.gz", **rows(np.diag([1.2, 1.1, 1.1, 1.0]) @ scans.AFFINE), sform_code=4)
    volume = read(path)
    assert volume.grid.spacing_zyx_mm == (5.0, 3.0, 3.0) and "template" in volume.notes[0]
    through_the_pipeline(scans, path, tmp_path / "m.nii.gz")
    assert np.allclose(nibabel.load(tmp_path / "m.nii.gz").affine, nibabel.load(path).affine)


@pytest.mark.unusual(
    "Scans and masks",
    "sform_code and qform_code 0",
    "no scan to segment: which side is left is not said; masks are scored",
)
def test_no_form_has_a_code(tmp_path, scans):
    path = scans.save(tmp_path / "s.nii.gz", affine=None)
    volume = read(path)
    assert not volume.placed and volume.grid.spacing_zyx_mm == (5.0, 3.0, 3.0)
    _, flaws = read_image(path, DatasetSettings())
    assert ["which side is left" in flaw.found for flaw in flaws] == [True]


@pytest.mark.unusual("Trust", "words in a scan's header (descrip, aux_file, intent_name, extensions)", "in no output")
def test_no_words_of_a_header_are_in_outputs(tmp_path, scans):
    path = tmp_path / "s.nii.gz"
    image = nibabel.Nifti1Image(scans.head()[0], scans.AFFINE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Secret, born 1950"))
    nibabel.save(image, path)
    words = {"descrip": b"Secret descrip", "aux_file": b"Secret aux", "intent_name": b"Secret name",
             "db_name": b"Secret db", "data_type": b"SecretTyp"}  # fmt: skip
    scans.edit(path, **words)
    through_the_pipeline(scans, path, tmp_path / "m.nii.gz")
    write(read(path), tmp_path / "scan.nii.gz")
    for name in ("m.nii.gz", "scan.nii.gz"):
        assert b"Secret" not in gzip.decompress((tmp_path / name).read_bytes()), name
    assert "Secret" not in json.dumps(standardise_image(read(path), SETTINGS)[1].to_dict())


def test_the_grid_from_the_header_alone_is_the_same(tmp_path, scans):
    for name in ("s.nii", "s.nii.gz"):
        path = scans.save(tmp_path / name, **rows(moved(scans.AFFINE)), sform_code=2)
        assert read_grid(path) == read(path).grid
