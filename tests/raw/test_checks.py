"""Every check on what comes in, on a good data set with one thing broken."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from pydantic import ValidationError

from gbaseg.cases import Case, write_table
from gbaseg.errors import BadCases, UserError
from gbaseg.raw.checks import Fault, accept_cases, check_case, check_cases, check_set
from gbaseg.raw.dataset_settings import DatasetSettings
from gbaseg.raw.sources import load_cases
from gbaseg.volume import BadImage, Grid, Volume, write
from gbaseg.volume.resampling import to_sitk

GRID = Grid((3, 5, 6), (2.0, 1.0, 1.0), origin_xyz_mm=(-3.0, 4.0, 5.0))
SETTINGS = DatasetSettings(layout="table")
GOOD = [
    Case("s1", "s1", "A", "source", "train", "ceT1", "s1.nii.gz", "s1_label.nii.gz"),
    Case("s2", "s2", "B", "source", "train", "ceT1", "s2.nii.gz", "s2_label.nii.gz"),
    Case("t1", "t1", "A", "target", "train", "hrT2", "t1.nii.gz"),
    Case("v1", "v1", "A", "target", "validation", "hrT2", "v1.nii.gz", "v1_label.nii.gz"),
]


def image(grid=GRID, seed=0):
    return Volume(np.random.default_rng(seed).normal(100, 20, grid.shape).astype(np.float32), grid)


def label(grid=GRID, value=1):
    array = np.zeros(grid.shape, np.uint8)
    array[1, 2:4, 2:4] = value
    return Volume(array, grid)


@pytest.fixture
def root(tmp_path):
    for seed, case in enumerate(GOOD):
        write(image(seed=seed), tmp_path / case.image)
        if case.label:
            write(label(), tmp_path / case.label)
    write_table(GOOD, tmp_path)
    return tmp_path


def only(faults):
    assert len(faults) == 1, faults
    return faults[0]


def test_a_good_set_has_no_fault(root):
    assert check_cases(GOOD, root, SETTINGS) == []
    assert load_cases(SETTINGS, root) == (sorted(GOOD, key=lambda case: case.case), [])


@pytest.mark.unusual(
    "Scans and masks", "a label without codes off its scan's grid", "a fault that says what its header lacks"
)
def test_a_label_without_codes(root, scans):
    path = root / "s1_label.nii.gz"
    scans.edit(path, sform_code=0, qform_code=0)
    fault = only(check_case(GOOD[0], root, SETTINGS))
    assert fault.file == "s1_label.nii.gz" and "not on its image's grid: origin" in fault.found
    assert fault.found.endswith("(its header has no form with a code, so does not say where its voxels lie)")
    write(label(Grid(GRID.shape, GRID.spacing_zyx_mm)), path)  # with codes, at another place
    assert "no form with a code" not in only(check_case(GOOD[0], root, SETTINGS)).found


def broken_image(root, volume):
    write(volume, root / "s1.nii.gz")
    write(label(volume.grid), root / "s1_label.nii.gz")
    return only(check_case(GOOD[0], root, SETTINGS))


def test_missing_and_unreadable_files(root):
    (root / "s1.nii.gz").unlink()
    (root / "s1_label.nii.gz").write_bytes(b"no image")
    first, second = check_case(GOOD[0], root, SETTINGS)
    assert (first.case, first.file, first.found) == ("s1", "s1.nii.gz", "no such file")
    assert second.file == "s1_label.nii.gz" and "cannot be read (not compressed" in second.found


def test_a_folder_is_no_scan(root):
    (root / "dicom").mkdir()
    fault = only(check_case(replace(GOOD[2], image="dicom"), root, SETTINGS))
    assert fault.found == "a folder" and "a DICOM series is converted first" in fault.allowed


@pytest.mark.parametrize("name", ["t1.nii.gz", "t1.nii"])
def test_a_cut_off_file_is_a_fault_though_itk_reads_it(root, name):
    write(image(), root / name)
    whole = (root / name).read_bytes()
    (root / name).write_bytes(whole[:-20])
    assert sitk.ReadImage(str(root / name)).GetSize() == (6, 5, 3)
    fault = only(check_case(replace(GOOD[2], image=name), root, SETTINGS))
    assert "cannot be read (cut off" in fault.found


def test_a_flipped_bit_is_a_fault(root):
    data = bytearray((root / "t1.nii.gz").read_bytes())
    data[-6] ^= 1  # in the checksum
    (root / "t1.nii.gz").write_bytes(data)
    assert "incorrect data check" in only(check_case(GOOD[2], root, SETTINGS)).found


def test_whole_files_of_other_numeric_types_and_formats(root):
    scaled = sitk.GetImageFromArray((image().array * 10).astype(np.int16))
    for name in ("t1.nii", "t1.mha"):
        sitk.WriteImage(scaled, str(root / name))
        assert check_case(replace(GOOD[2], image=name), root, SETTINGS) == []


def test_not_3d(root):
    sitk.WriteImage(sitk.Image(4, 5, sitk.sitkFloat32), str(root / "t1.nii.gz"))
    fault = only(check_case(GOOD[2], root, SETTINGS))
    assert "found 2D" in fault.found and str(root) not in fault.found


def test_not_finite(root):
    volume = image()
    volume.array[0, 0, :2] = np.nan, np.inf
    sitk.WriteImage(to_sitk(volume), str(root / "t1.nii.gz"))
    assert only(check_case(GOOD[2], root, SETTINGS)).found == "2 voxels are NaN or infinite"
    # ITK reads them as 0: its array would not tell.
    assert np.isfinite(sitk.GetArrayFromImage(sitk.ReadImage(str(root / "t1.nii.gz")))).all()
    with pytest.raises(BadImage, match=r"s9\.nii\.gz: 2 voxels are NaN or infinite"):
        write(volume, root / "s9.nii.gz")
    assert not (root / "s9.nii.gz").exists()


def test_constant_image(root):
    assert broken_image(root, Volume(np.full(GRID.shape, 7.0), GRID)).found == "every voxel is 7"


def test_spacing_out_of_range(root):
    fault = broken_image(root, image(replace(GRID, spacing_zyx_mm=(25.0, 1.0, 1.0))))
    assert (fault.found, fault.allowed) == ("spacing 1, 1, 25 mm (x, y, z)", "0.1 to 10 mm")


def test_a_single_slice(root):
    grid = replace(GRID, shape=(1, 5, 6))
    write(image(grid), root / "t1.nii.gz")
    assert only(check_case(GOOD[2], root, SETTINGS)).allowed == "at least 2 voxels along each axis"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": (3, 5, 7)}, "voxels 7, 5, 3 against 6, 5, 3"),
        ({"spacing_zyx_mm": (2.0, 1.0, 1.1)}, "spacing 1.1, 1, 2 against 1, 1, 2"),
        ({"origin_xyz_mm": (-3.0, 4.0, 6.0)}, "origin -3, 4, 6 against -3, 4, 5"),
        ({"direction": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)}, "direction -1, 0"),
    ],
)
def test_label_on_another_grid(root, change, says):
    write(label(replace(GRID, **change)), root / "s1_label.nii.gz")
    assert says in only(check_case(GOOD[0], root, SETTINGS)).found


def test_header_noise_in_a_label_is_no_fault(root):
    write(label(replace(GRID, origin_xyz_mm=(-3.0002, 4.0, 5.0))), root / "s1_label.nii.gz")
    assert check_case(GOOD[0], root, SETTINGS) == []


def test_unknown_label_values(root):
    volume = label()
    volume.array[0, 0, 0] = 3
    write(volume, root / "s1_label.nii.gz")
    fault = only(check_case(GOOD[0], root, SETTINGS))
    assert fault.found == "label value(s) 3"
    assert fault.allowed == "0, 1, 2 (dataset.known_labels)"


def test_a_label_without_tumour(root):
    write(label(value=2), root / "s1_label.nii.gz")
    write(label(value=0), root / "v1_label.nii.gz")
    source = only(check_case(GOOD[0], root, SETTINGS))
    scoring = only(check_case(GOOD[3], root, SETTINGS))
    assert source.found == scoring.found == "no voxel of VS (1)"
    assert "scoring" in scoring.allowed and "scoring" not in source.allowed


def test_source_without_label_and_row_without_image(root):
    assert only(check_case(replace(GOOD[0], label=""), root, SETTINGS)).found == "no label"
    assert only(check_case(replace(GOOD[0], image=""), root, SETTINGS)).found == "no image"


def test_a_case_twice_and_an_image_or_a_label_twice():
    fault = only(check_set([*GOOD, GOOD[0]]))
    assert (fault.case, fault.whole_set) == ("s1", True) and "occurs 2 times" in fault.found
    image, label = check_set([*GOOD, replace(GOOD[0], case="s3", patient="s3")])
    assert (image.file, image.found) == ("s1.nii.gz", "is the image of 2 cases (s1, s3)")
    assert (label.file, label.found) == ("s1_label.nii.gz", "is the label of 2 cases (s1, s3)")
    assert label.whole_set and label.allowed == "a label belongs to one case"


@pytest.mark.parametrize("index", [0, 2])
def test_a_patient_in_both_domains_or_two_splits(index):
    fault = only(check_set([*GOOD[:3], replace(GOOD[3], patient=GOOD[index].patient)]))
    assert fault.whole_set and f"patient {GOOD[index].patient} is in" in fault.found


def test_two_scans_of_a_patient_in_one_split_are_no_fault():
    assert check_set([*GOOD, replace(GOOD[0], case="s3", image="s3.nii.gz", label="s3_label.nii.gz")]) == []


def test_missing_domains_and_training_splits():
    assert [fault.found for fault in check_set([])] == ["no source cases", "no target cases"]
    assert only(check_set(GOOD[:2])).found == "no target cases"
    assert only(check_set([*GOOD[:2], GOOD[3]])).found == "target cases of split validation only"


def test_all_faults_of_all_cases_are_in_one_report(root):
    (root / "t1.nii.gz").unlink()
    write(label(value=3), root / "s1_label.nii.gz")
    write(image(replace(GRID, spacing_zyx_mm=(2.0, 1.0, 0.01)), seed=3), root / "v1.nii.gz")
    with pytest.raises(BadCases) as raised:
        load_cases(SETTINGS, root)
    assert len(raised.value.faults) == 5  # s1: unknown value, no tumour; t1: missing; v1: spacing, grid
    for name in ("s1, s1_label.nii.gz", "t1, t1.nii.gz", "v1, v1.nii.gz", "on_bad_case: skip"):
        assert name in str(raised.value)


def test_skip_leaves_out_the_cases_concerned(root):
    (root / "s1.nii.gz").unlink()
    good, faults = load_cases(DatasetSettings(layout="table", on_bad_case="skip"), root)
    assert [case.case for case in good] == ["s2", "t1", "v1"]
    assert {fault.case for fault in faults} == {"s1"}


@pytest.mark.unusual(
    "Data sets and folders",
    "`on_bad_case: skip`, and a target training case whose label for scoring is empty, unknown or of another grid",
    "the case is trained on, as without a label: a target label decides nothing about training",
)
@pytest.mark.parametrize("wrong", [label(value=0), label(value=3), label(replace(GRID, origin_xyz_mm=(0.0, 4.0, 5.0)))])
def test_what_is_wrong_with_a_target_label_decides_nothing_about_training(root, wrong):
    write(wrong, root / "t1_label.nii.gz")
    write(wrong, root / "v1_label.nii.gz")
    cases = [*GOOD[:2], replace(GOOD[2], label="t1_label.nii.gz"), GOOD[3]]
    skip = DatasetSettings(layout="table", on_bad_case="skip")
    good, faults = accept_cases(cases, check_cases(cases, root, skip), skip)
    assert good == GOOD[:3]
    assert {fault.case for fault in faults} == {"t1", "v1"}
    # Of a scan that cannot be used nothing is left.
    (root / "t1.nii.gz").unlink()
    with pytest.raises(BadCases, match="no target cases once"):
        accept_cases(cases, check_cases(cases, root, skip), skip)


def test_skip_does_not_excuse_the_whole_set(root):
    skip = DatasetSettings(layout="table", on_bad_case="skip")
    (root / "t1.nii.gz").unlink()
    with pytest.raises(BadCases, match="validation only once the faulty cases are left out"):
        load_cases(skip, root)
    leak = Fault("", "", "patient p is in two", "one", whole_set=True)
    with pytest.raises(BadCases, match="the first 1 fault"):
        accept_cases(GOOD, [leak, Fault("s1", "f", "x", "y")], skip)


@pytest.mark.parametrize("on_bad_case", ["stop", "skip"])
def test_a_linked_folder_stops_the_run(root, tmp_path_factory, on_bad_case):
    """DVC takes a link to a folder for nothing: images behind it could change, and nothing would run anew."""
    disk = tmp_path_factory.mktemp("disk")
    (root / "sub").mkdir()
    for name, behind in (("images", disk), ("sub/more", root)):  # the other one turns in a circle
        (root / name).symlink_to(behind, target_is_directory=True)
    with pytest.raises(BadCases) as raised:
        load_cases(DatasetSettings(layout="table", on_bad_case=on_bad_case), root)
    assert len(raised.value.faults) == 2
    for name, fault in zip(("images", "sub/more"), raised.value.faults, strict=True):
        assert fault.startswith(f"{name}: a link to a folder") and "only dataset.root itself may be a link" in fault


def test_the_root_and_single_files_may_be_links(root, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk")
    (root / "t1.nii.gz").rename(disk / "t1.nii.gz")
    (root / "t1.nii.gz").symlink_to(disk / "t1.nii.gz")
    (disk / "root").symlink_to(root, target_is_directory=True)
    assert load_cases(SETTINGS, disk / "root")[1] == []


def test_no_such_root(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.root .*: no such folder"):
        load_cases(SETTINGS, tmp_path / "none")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"structures": {"VS": 3}}, "known_labels"),
        ({"structures": {"VS": 1, "cochlea": 1}}, "share a label value"),
        ({"spacing_mm_range": (2.0, 1.0)}, "smaller"),
        ({"structures": {}}, "at least 1"),
    ],
)
def test_settings_that_contradict_themselves(values, says):
    with pytest.raises(ValidationError, match=says):
        DatasetSettings(**values)


def test_the_first_structure_is_the_tumour():
    settings = DatasetSettings(structures={"glioma": 2, "other": 1})
    assert (settings.tumour, settings.tumour_label) == ("glioma", 2)
