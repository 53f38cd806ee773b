"""One scan is one scan, whatever it is called: the train and the test side share none."""

import gzip
import os
import shutil

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from gbaseg.cases import Case, write_table
from gbaseg.errors import BadCases
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.raw.same_scan import voxels_of
from gbaseg.raw.sources import load_cases
from gbaseg.volume import Grid, Volume, read, write

GRID = Grid((4, 10, 12), (2.0, 1.0, 1.0))
SETTINGS = DatasetSettings(layout="table", structures={"tumour": 1}, known_labels=[1], on_bad_case="skip")
CASES = [
    Case("s000", "s000", "A", "source", "train", "ceT1", "images/s000.nii.gz", "labels/s000.nii.gz"),
    Case("t000", "t000", "A", "target", "train", "hrT2", "images/t000.nii.gz"),
]


def scan(seed):
    return Volume(np.random.default_rng(seed).integers(0, 900, GRID.shape).astype(np.int16), GRID)


@pytest.fixture
def root(tmp_path):
    label = np.zeros(GRID.shape, np.uint8)
    label[1:3, 4:6, 4:6] = 1
    for seed, case in enumerate(CASES):
        write(scan(seed), tmp_path / case.image)
        if case.label:
            write(Volume(label, GRID), tmp_path / case.label)
    return tmp_path


def copied(root):
    shutil.copyfile(root / "images/t000.nii.gz", root / "images/other.nii.gz")
    return "images/other.nii.gz"


def compressed_otherwise(root):
    packed = (root / "images/t000.nii.gz").read_bytes()
    (root / "images/other.nii.gz").write_bytes(gzip.compress(gzip.decompress(packed), 9, mtime=1))
    return "images/other.nii.gz"


def of_another_type_and_format(root):
    image = sitk.Cast(sitk.ReadImage(str(root / "images/t000.nii.gz")), sitk.sitkFloat32)
    sitk.WriteImage(image, str(root / "images/other.mha"))
    return "images/other.mha"


def moved(root):
    image = sitk.ReadImage(str(root / "images/t000.nii.gz"))
    image.SetOrigin((7.0, -3.0, 12.0))
    sitk.WriteImage(image, str(root / "images/other.nii.gz"))
    return "images/other.nii.gz"


def flipped(root):
    """As nibabel and fslreorient2std write it: towards right, front and head."""
    nibabel.save(nibabel.as_closest_canonical(nibabel.load(root / "images/t000.nii.gz")), root / "images/other.nii.gz")
    return "images/other.nii.gz"


def permuted(root):
    image = sitk.DICOMOrient(sitk.ReadImage(str(root / "images/t000.nii.gz")), "SAL")
    sitk.WriteImage(image, str(root / "images/other.nii.gz"))
    return "images/other.nii.gz"


def without_its_direction(root):
    image = sitk.ReadImage(str(root / "images/t000.nii.gz"))
    image.SetDirection((-1, 0, 0, 0, 0, 1, 0, 1, 0))
    sitk.WriteImage(image, str(root / "images/other.nii.gz"))
    return "images/other.nii.gz"


def linked_hard(root):
    os.link(root / "images/t000.nii.gz", root / "images/other.nii.gz")
    return "images/other.nii.gz"


def linked(root):
    (root / "images/other.nii.gz").symlink_to("t000.nii.gz")
    return "images/other.nii.gz"


@pytest.mark.parametrize("other_patient", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(copied, marks=pytest.mark.unusual(
            "Data sets and folders", "a copy of a training scan under another name among the test scans",
            "a fault that names both rows; on_bad_case: skip does not pass over it",
        )),
        pytest.param(compressed_otherwise, marks=pytest.mark.unusual(
            "Data sets and folders", "the same, compressed otherwise", "the same fault",
        )),
        pytest.param(of_another_type_and_format, marks=pytest.mark.unusual(
            "Data sets and folders", "the same, as another format and type of number", "the same fault",
        )),
        pytest.param(moved, marks=pytest.mark.unusual(
            "Data sets and folders", "the same, with another origin in its header", "the same fault",
        )),
        pytest.param(flipped, marks=pytest.mark.unusual(
            "Data sets and folders", "the same, flipped with its affine (fslreorient2std, as_closest_canonical)",
            "the same fault",
        )),
        pytest.param(permuted, marks=pytest.mark.unusual(
            "Data sets and folders", "the same, its axes permuted and flipped with the affine", "the same fault",
        )),
        without_its_direction,
        linked_hard,
        pytest.param(linked, marks=pytest.mark.unusual(
            "Data sets and folders", "the same, as a link to the file", "the same fault",
        )),
    ],
)  # fmt: skip
def test_a_scan_under_another_name(root, make, other_patient):
    split, patient = ("test", "x000") if other_patient else ("train", "t000")
    write_table([*CASES, Case("x000", patient, "A", "target", split, "hrT2", make(root))], root)
    with pytest.raises(BadCases) as raised:
        load_cases(SETTINGS, root)
    [fault] = raised.value.faults
    assert "one scan under 2 names: images/t000.nii.gz (case t000, target train, cases.csv row 2) and " in fault
    assert f"(case x000, target {split}, cases.csv row 3); allowed: every scan once" in fault


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param("images/./t000.nii.gz", marks=pytest.mark.unusual(
            "Data sets and folders", "one scan as `images/./t000.nii.gz` and `images//t000.nii.gz` in train and test",
            "a fault that names both cases",
        )),
        "images//t000.nii.gz",
        "x/../images/t000.nii.gz",
        "./images/t000.nii.gz",
    ],
)  # fmt: skip
def test_a_scan_spelled_otherwise(root, spelled):
    (root / "x").mkdir()
    write_table([*CASES, Case("x000", "x000", "A", "target", "test", "hrT2", spelled)], root)
    with pytest.raises(BadCases) as raised:
        load_cases(SETTINGS, root)
    assert [fault.split(";")[0] for fault in raised.value.faults] == [
        "images/t000.nii.gz: is the image of 2 cases (t000, x000)"
    ]


def test_a_label_spelled_otherwise(root):
    write(scan(7), root / "images/s001.nii.gz")
    second = Case("s001", "s001", "A", "source", "train", "ceT1", "images/s001.nii.gz", "labels/./s000.nii.gz")
    write_table([*CASES, second], root)
    with pytest.raises(BadCases, match=r"labels/s000.nii.gz: is the label of 2 cases \(s000, s001\)"):
        load_cases(SETTINGS, root)


def test_equal_labels_of_two_scans_are_no_fault(root):
    """A tumour of few voxels may lie at the same place twice."""
    write(scan(7), root / "images/s001.nii.gz")
    shutil.copyfile(root / "labels/s000.nii.gz", root / "labels/s001.nii.gz")
    second = Case("s001", "s001", "A", "source", "train", "ceT1", "images/s001.nii.gz", "labels/s001.nii.gz")
    write_table([*CASES, second], root)
    assert load_cases(SETTINGS, root)[1] == []


def test_voxels_tell_values_and_shape():
    one = scan(0)
    assert voxels_of(one) == voxels_of(one.with_array(one.array.astype(np.float64)))
    assert voxels_of(one) != voxels_of(scan(1))
    changed = one.array.copy()
    changed[0, 0, 0] += 1
    assert voxels_of(one) != voxels_of(one.with_array(changed))
    flat = Volume(one.array.reshape(4, 12, 10), Grid((4, 12, 10), GRID.spacing_zyx_mm))
    assert voxels_of(one) != voxels_of(flat)
    zero = np.zeros(GRID.shape, np.float32)
    zero[0] = 1
    assert voxels_of(one.with_array(zero)) == voxels_of(one.with_array(np.where(zero == 0, np.float32(-0.0), zero)))
    # All constant images are equal; that they are constant is another fault.
    assert not voxels_of(one.with_array(np.ones(GRID.shape)))


def test_copies_of_several_orders_are_one_fault(root):
    shutil.copyfile(root / flipped(root), root / "images/again.nii.gz")
    others = [Case(f"x{n}", "t000", "A", "target", "train", "hrT2", f"images/{n}.nii.gz") for n in ("other", "again")]
    write_table([*CASES, *others], root)
    with pytest.raises(BadCases) as raised:
        load_cases(SETTINGS, root)
    [fault] = raised.value.faults
    assert "one scan under 3 names: " in fault


def test_a_scan_that_was_read_is_the_one_that_was_written(root):
    assert voxels_of(read(root / CASES[0].image)) == voxels_of(scan(0))
