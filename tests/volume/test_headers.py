"""Random NIfTI headers: a named fault, or a mask that every reader sees where it sees the scan. Never a crash.

2,000 examples: HEADER_EXAMPLES=2000 pytest tests/volume/test_headers.py
"""

import gzip
import math
import os
import warnings

import nibabel
import numpy as np
import SimpleITK as sitk
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from gbaseg.errors import UserError
from gbaseg.raw.checks import read_image
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.standardise.case import StandardCase, standardise_image, standardise_label, to_raw
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Volume, write

EXAMPLES = int(os.environ.get("HEADER_EXAMPLES", "40"))
SETTINGS = StandardiseSettings(spacing_xyz_mm=(3.0, 3.0, 5.0), crop_xy_px=40)
SHAPE = (14, 12, 10)
_SIDES_MM = (45.0, 105.0)  # smaller scans are a few voxels of the standard grid, larger ones leave the crop

ODD = st.sampled_from([0.0, -1.0, -3.0, math.nan, math.inf, 1e-30, 1e30, 7.0])
DTYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"]


def mostly(value, odd, of=8):
    """`value`, and once in a while something odd."""
    return st.integers(0, of).flatmap(
        lambda n: odd if n == 0 else st.just(value) if not hasattr(value, "map") else value
    )


ANGLES = st.tuples(*[st.floats(-0.6, 0.6)] * 3)
MOVES = st.tuples(*[st.floats(-200.0, 200.0)] * 3)
AXES = st.tuples(st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([1.0, -1.0])] * 3))


@st.composite
def headers(draw):
    """(affine of the sform, affine of the qform, fields of the header, dtype, byte order, trailing axes)."""
    spacing = np.array(draw(st.tuples(*[st.floats(0.5, 8.0)] * 3)))
    order, signs = draw(AXES)
    base = np.eye(3)[:, order] * signs
    forms = []
    for _ in range(2):
        turn = np.array(sitk.Euler3DTransform((0.0, 0.0, 0.0), *draw(ANGLES)).GetMatrix()).reshape(3, 3)
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = turn @ base * spacing, draw(MOVES)
        forms.append(affine)
        base = base if draw(st.integers(0, 6)) else base * (-1.0, 1.0, 1.0)  # mirrored, now and then
    sform, qform = forms[0], forms[draw(st.integers(0, 1))]
    if not draw(st.integers(0, 8)):
        sform = sform @ np.array([[1, draw(st.floats(-0.3, 0.3)), 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    fields = {
        "sform_code": draw(mostly(st.sampled_from([0, 1, 2, 4]), st.sampled_from([3, 5, 6, -1, 300]))),
        "qform_code": draw(mostly(st.sampled_from([0, 1, 2]), st.sampled_from([3, 4, 5, 9, -2]))),
        "xyzt_units": draw(mostly(st.sampled_from([0, 2, 10]), st.sampled_from([1, 3, 4, 7, 255]))),
        "scl_slope": draw(mostly(st.sampled_from([0.0, 1.0, 0.5, math.nan, -1.0]), ODD)),
        "scl_inter": draw(mostly(st.sampled_from([0.0, -100.0, 3.5]), ODD)),
        "magic": draw(mostly(b"n+1", st.sampled_from([b"ni1", b"n+2", b"", b"xyz"]), of=20)),
        "descrip": b"Secret",
    }
    if not draw(st.integers(0, 4)):
        fields["pixdim"] = {draw(st.integers(0, 3)): draw(ODD)}
    for name in ("quatern_b", "qoffset_y", "vox_offset"):
        if not draw(st.integers(0, 20)):
            fields[name] = draw(ODD)
    if not draw(st.integers(0, 10)):
        fields["dim"] = {draw(st.integers(0, 4)): draw(st.sampled_from([0, 1, 2, 4, 7, 8, -3, 13, 32767]))}
    if not draw(st.integers(0, 20)):
        fields[draw(st.sampled_from(["datatype", "bitpix", "sizeof_hdr"]))] = draw(
            st.sampled_from([0, 1, 7, 64, 768, 349])
        )
    return (
        sform, qform, fields, draw(mostly(st.sampled_from(DTYPES), st.just("c8"))), draw(st.sampled_from("<>")),
        draw(mostly(0, st.integers(1, 2))),
    )  # fmt: skip


def plain_header():
    """Nothing odd in it, for the ball to be compared at least once."""
    affine = np.diag([-3.0, -3.0, 5.0, 1.0])
    fields = {"sform_code": 1, "qform_code": 1, "xyzt_units": 10, "scl_slope": 1.0, "scl_inter": 0.0, "magic": b"n+1"}
    return affine, affine, fields | {"descrip": b"Secret"}, "i2", "<", 0


def sheared_a_little():
    """An sform alone, by as much as is taken here and not by ITK: masks are to be read by ITK all the same."""
    sform = np.diag([2.0, 1.0, 1.0, 1.0])
    sform[0, 1] = 2.0**-13
    return sform, np.diag([2.0, 1.0, 1.0, 1.0]), plain_header()[2] | {"sform_code": 3, "qform_code": 0}, "u1", "<", 0


def nothing_odd(case):
    """Whether every field of a header is one that has to be taken, so that a fault would be a wrong one."""
    sform, qform, fields, dtype, _, _ = case
    codes = fields["sform_code"], fields["qform_code"]
    mine, theirs = (form[:3, :3] / np.linalg.norm(form[:3, :3], axis=0) for form in (sform, qform))
    degrees = math.degrees(math.acos(np.clip((np.trace(mine.T @ theirs) - 1) / 2, -1, 1)))
    made_odd = {"pixdim", "quatern_b", "qoffset_y", "vox_offset", "dim", "datatype", "bitpix", "sizeof_hdr"}
    return (
        not made_odd & fields.keys()
        and not dtype.startswith("c")
        and all(code in range(6) for code in codes)
        and any(codes)
        and fields["xyzt_units"] in (0, 2, 10)
        and fields["magic"] == b"n+1"
        and (math.isnan(fields["scl_slope"]) or fields["scl_slope"] in (0.0, 1.0, 0.5, -1.0))
        and fields["scl_inter"] in (0.0, -100.0, 3.5)
        and np.allclose(mine.T @ mine, np.eye(3), atol=1e-6)
        and (not all(codes) or (np.linalg.det(mine) * np.linalg.det(theirs) > 0 and degrees < 44.0))
    )


def saved(path, case, scans):
    sform, qform, fields, dtype, order, more = case
    array, ball = scans.head(SHAPE)
    array = (array / 8).astype(order + dtype).reshape(*SHAPE, *[1] * more)  # 8: fits into a byte
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_qform(qform, 1)
    header.set_sform(sform, 1)
    header["vox_offset"] = 352
    for name, value in fields.items():
        for index, entry in value.items() if isinstance(value, dict) else [(None, value)]:
            with np.errstate(all="ignore"):
                if index is None:
                    header[name] = np.array(entry).astype(header[name].dtype)
                else:
                    header[name][index] = entry
    path.write_bytes(header.binaryblock + bytes(4) + array.tobytes(order="F"))
    return ball


@given(case=headers())
@example(case=plain_header())
@example(case=sheared_a_little())
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_a_fault_or_a_mask_where_the_scan_is(tmp_path_factory, scans, case):
    folder = tmp_path_factory.mktemp("one", numbered=True) if EXAMPLES < 100 else tmp_path_factory.getbasetemp()
    path, out = folder / "s.nii", folder / "m.nii.gz"
    ball, good = saved(path, case, scans), nothing_odd(case)
    scan, flaws = read_image(path, DatasetSettings())
    if scan is None or flaws:
        event("a fault")
        assert not good, flaws
        assert flaws and all(flaw.found and flaw.allowed for flaw in flaws)
        return
    sides_mm = np.multiply(scan.grid.shape, scan.grid.spacing_zyx_mm)
    ordinary = _SIDES_MM[0] <= min(sides_mm) and max(sides_mm) <= _SIDES_MM[1]
    try:
        _, record = standardise_image(scan, SETTINGS)
    except UserError as error:
        event("a fault of the intensities")
        assert not good or not ordinary, error
        assert str(error)
        return
    record = StandardCase.from_dict(record.to_dict())
    # The scan's own ball, carried to the standard grid and back: what the networks would do at best.
    truth = Volume(ball.T, record.raw)
    mask = to_raw(standardise_label(truth, record), record)
    inside = to_raw(Volume(np.ones(record.grid.shape, np.uint8), record.grid), record).array > 0
    voxels = np.argwhere(truth.array)
    if inside[truth.array > 0].all() and mask.array.any():
        apart = np.argwhere(mask.array).mean(axis=0) - voxels.mean(axis=0)
        thinnest_mm = ((np.ptp(voxels, axis=0) + 1) * record.raw.spacing_zyx_mm).min()
        if thinnest_mm < max(record.grid.spacing_zyx_mm):
            # The standard grid's voxels meet parts of it, whose centre lies elsewhere along it.
            event("a mask, its ball compared, thinner than a voxel of the standard grid")
            assert np.abs(apart).max() < 2.0
        else:
            event("a mask, its ball compared")
            assert np.linalg.norm(apart * record.raw.spacing_zyx_mm) < 6.0  # a voxel of the standard grid
    else:
        event("a mask, its ball not compared")
        assert not good or not ordinary, "no ball"
    write(mask, out)
    assert b"Secret" not in gzip.decompress(out.read_bytes())
    check_readers(path, out)


def check_readers(path, out):
    """nibabel, and ITK where it does not mend the scan's header, see scan and mask in one place."""
    mine = nibabel.load(out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = nibabel.load(path)
        except Exception:  # what nibabel does not read cannot be seen elsewhere
            theirs = None
    if theirs is not None:
        assert mine.shape == theirs.shape[:3]
        if int(theirs.header["sform_code"]) or int(theirs.header["qform_code"]):
            assert np.allclose(mine.affine, theirs.affine, rtol=1e-5, atol=1e-3)
    header = nibabel.Nifti1Header(path.read_bytes()[:348], check=False)
    sizes = np.array(header["pixdim"][1:4])
    if not (np.isfinite(sizes) & (sizes > 0)).all() or not int(header["sform_code"]) | int(header["qform_code"]):
        return  # ITK takes sizes of its own
    a, b = sitk.ReadImage(str(out)), sitk.ImageFileReader()
    b.SetFileName(str(path))
    try:
        b.ReadImageInformation()
    except RuntimeError:
        return
    assert np.allclose(a.GetOrigin(), b.GetOrigin()[:3], rtol=1e-5, atol=1e-3)
    assert np.allclose(a.GetSpacing(), b.GetSpacing()[:3], rtol=1e-5)
    direction = np.reshape(b.GetDirection(), (b.GetDimension(),) * 2)[:3, :3].ravel()
    assert np.allclose(a.GetDirection(), direction, atol=1e-4)
