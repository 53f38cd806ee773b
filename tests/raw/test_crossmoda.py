"""METHOD 1: the layout of CrossMoDA 2022."""

import pytest

from gbaseg.cases import Case
from gbaseg.errors import UserError
from gbaseg.raw.crossmoda import find_cases


def make(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def test_every_part_of_the_layout(tmp_path):
    make(
        tmp_path,
        "training_source/crossmoda2022_ldn_2_ceT1.nii.gz",
        "training_source/crossmoda2022_ldn_2_Label.nii.gz",
        "training_target/crossmoda2022_etz_105_hrT2.nii.gz",
        "validation/crossmoda2022_ldn_211_hrT2.nii.gz",
        "target_labels/crossmoda2022_ldn_211_Label.nii.gz",
    )
    cases, faults = find_cases(tmp_path)
    assert faults == []
    assert cases == [
        Case(
            "etz_105", "etz_105", "B", "target", "train", "hrT2", "training_target/crossmoda2022_etz_105_hrT2.nii.gz"
        ),
        Case(
            "ldn_2", "ldn_2", "A", "source", "train", "ceT1",
            "training_source/crossmoda2022_ldn_2_ceT1.nii.gz", "training_source/crossmoda2022_ldn_2_Label.nii.gz",
        ),
        Case(
            "ldn_211", "ldn_211", "A", "target", "validation", "hrT2",
            "validation/crossmoda2022_ldn_211_hrT2.nii.gz", "target_labels/crossmoda2022_ldn_211_Label.nii.gz",
        ),
    ]  # fmt: skip


def test_cases_come_in_the_order_of_their_numbers(tmp_path):
    make(tmp_path, *(f"training_target/crossmoda2022_ldn_{n}_hrT2.nii.gz" for n in (110, 9, 106)))
    assert [case.case for case in find_cases(tmp_path)[0]] == ["ldn_9", "ldn_106", "ldn_110"]


def test_nesting_plain_nii_hidden_files_and_the_archives_other_files(tmp_path):
    make(
        tmp_path,
        "crossmoda2022_training/training_source/crossmoda2022_etz_0_ceT1.nii",
        "crossmoda2022_training/training_source/crossmoda2022_etz_0_Label.nii/crossmoda2022_etz_0_Label.nii",
        "crossmoda2022_training/training_source/._crossmoda2022_etz_0_ceT1.nii",
        "crossmoda2022_training/infos_source_training.csv",
        "crossmoda2022_validation/crossmoda2022_etz_210_hrT2.nii.gz",
        "__MACOSX/training_source/crossmoda2022_etz_1_ceT1.nii.gz",
        "elsewhere/other.nii.gz",
    )
    cases, faults = find_cases(tmp_path)
    assert faults == []
    assert [(case.case, case.split, bool(case.label)) for case in cases] == [
        ("etz_0", "train", True),
        ("etz_210", "validation", False),
    ]


def test_the_folder_may_be_a_link(tmp_path):
    make(tmp_path / "disk", "training_target/crossmoda2022_ldn_1_hrT2.nii.gz")
    (tmp_path / "root").symlink_to(tmp_path / "disk", target_is_directory=True)
    assert [case.case for case in find_cases(tmp_path / "root")[0]] == ["ldn_1"]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("training_source/crossmoda2022_lnd_1_ceT1.nii.gz", "N_ceT1.nii.gz or crossmoda2022"),  # no such centre
        ("training_source/crossmoda2022_ldn_1_hrT2.nii.gz", "N_ceT1.nii.gz or crossmoda2022"),  # wrong modality
        ("training_target/crossmoda2022_ldn_1_Label.nii.gz", "N_hrT2.nii.gz"),
        ("target_labels/crossmoda2022_ldn_1_hrT2.nii.gz", "N_Label.nii.gz"),
        ("training_source/crossmoda2022_ldn_1_Label.nii.gz", "an image for every label"),
        ("target_labels/crossmoda2022_ldn_1_Label.nii.gz", "an hrT2 image for every label"),
    ],
)
def test_a_file_that_fits_nowhere_is_a_fault(tmp_path, file, says):
    make(tmp_path, file)
    cases, faults = find_cases(tmp_path)
    assert cases == []
    assert [fault.file for fault in faults] == [file]
    assert says in faults[0].allowed


def test_two_files_of_one_case_give_two_cases_for_the_checks_to_find(tmp_path):
    make(
        tmp_path,
        "validation/crossmoda2022_ldn_211_hrT2.nii.gz",
        "target_labels/crossmoda2022_ldn_211_Label.nii.gz",
        "target_labels/crossmoda2022_ldn_211_Label.nii",
    )
    assert [case.case for case in find_cases(tmp_path)[0]] == ["ldn_211", "ldn_211"]


def test_a_folder_of_another_layout_says_what_is_expected(tmp_path):
    make(tmp_path, "images/a.nii.gz")
    with pytest.raises(UserError, match="training_source/crossmoda2022_"):
        find_cases(tmp_path)
