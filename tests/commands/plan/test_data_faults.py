"""What is wrong with scans and labels, or not known of them, is said at once; nothing is written."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan`: labels of several values without names",
    "asks for `--structures`, with the values found, and for `--centres`; nothing is written",
)
def test_what_cannot_be_known_is_asked_for_in_one_list(folders, refused):
    said = refused(*folders)
    assert "--structures NAME=1,NAME=2" in said and "--centres" in said and "4 of 4 labels" in said


@pytest.mark.unusual(
    "Data sets and folders",
    "`plan`: a damaged scan, a scan without its label, an empty label, a copy of a scan, a structure that no label has",
    "all of them in one report, each with its file; nothing is written",
)
def test_every_fault_is_told_at_once_and_nothing_is_written(data, scans, folders, refused):
    (data / "source/p0_T1.nii.gz").write_bytes(b"no image")
    (data / "labels/p1_Label.nii.gz").unlink()
    scans.save(data / "labels/p2_Label.nii.gz", np.zeros((28, 28, 14), np.uint8))
    shutil.copyfile(data / "target/q4_T2.nii.gz", data / "target/q9_T2.nii.gz")
    said = refused(*folders, "--structures", "ball=5")
    for part in (
        "p0_T1.nii.gz",
        "p1_T1.nii.gz: no label",
        "p2_Label.nii.gz: every voxel is 0",
        "under 2 names",
        "ball=5",
    ):
        assert part in said
    assert "nothing was written" in said


def test_a_label_without_the_first_structure_is_named(data, plan, folders, refused):
    from gbaseg.volume import read_label, write

    label = read_label(data / "labels/p3_Label.nii.gz")
    write(
        label.with_array(np.where(label.array == 1, 0, label.array).astype(np.uint8)), data / "labels/p3_Label.nii.gz"
    )
    assert "p3: no voxel of ball" in refused(*folders, "--structures", "ball=1,part=2")
    assert plan(*folders, "--structures", "part=2,ball=1").exit_code == 0


def test_labels_of_held_out_source_scans_are_held_to_those_that_are_trained_on(data, scans, plan, folders):
    plan(*folders, "--structures", "VS=1,Cochlea=2")
    table = Path("data/raw/planned/cases.csv")
    rows = [re.sub(r"(p3.*,)train,", r"\1validation,", row) for row in table.read_text().splitlines()]
    table.write_text("\n".join(rows) + "\n")
    ball = scans.head(seed=3)[1]
    scans.save(data / "labels/p3_Label.nii.gz", ball * 7)
    result = plan("data/raw/planned", "--structures", "VS=1,Cochlea=2")
    for said in (
        "p3: no voxel of VS",
        "p3: label value(s) 7; allowed: those of the labels to train on: 1, 2",
    ):
        assert said in result.output, result.output
    assert result.exit_code == 1


def test_one_source_patient_is_too_few_for_folds(data, folders, refused):
    for number in (1, 2, 3):
        (data / f"source/p{number}_T1.nii.gz").unlink()
        (data / f"labels/p{number}_Label.nii.gz").unlink()
    (data / "labels/p0_Label.nii.gz").rename(data / "labels/p0_T1.nii.gz")
    said = refused(*folders, "--structures", "ball=1")
    assert "one source patient (p0_T1); allowed: two or more: folds are split by patient" in said


def test_faults_of_folders_are_not_said_again_of_every_scan(data, refused):
    said = refused("--source", data / "source", "--labels", data / "lables", "--target", data / "target")
    assert said.startswith(f"gbaseg: 1 fault(s) in the data:\n  - --labels {data / 'lables'}: no such folder")
    said = refused("--source", data / "source", "--labels", data / "labels", "--target", data / "source")
    assert "1 fault(s)" in said and "the folder of --source, too" in said


def test_scans_of_folders_have_no_rows_of_a_table(data, folders, refused):
    shutil.copyfile(data / "target/q4_T2.nii.gz", data / "target/q9_T2.nii.gz")
    said = refused(*folders, "--structures", "ball=1")
    assert "under 2 names" in said and "cases.csv" not in said


def test_a_dataset_json_is_named_where_its_structures_are_not_there_or_not_taken(data, plan, folders, refused):
    labels = data / "source/dataset.json"
    labels.write_text(json.dumps({"labels": {"background": 0, "ball": 1, "lost": 3}}))
    said = refused(*folders)
    assert "dataset.json: lost=3, which no label holds" in said and "--structures names those to segment" in said
    labels.write_text(json.dumps({"labels": {"background": 0, "all": [1, 2]}}))
    said = refused(*folders)
    assert "NAME=1,NAME=2" in said and "dataset.json: labels of regions (all: [1, 2]) are not taken" in said
    assert plan(*folders, "--structures", "ball=1").exit_code == 0
    labels.write_text(json.dumps({"labels": {"background": 0, "part": 2, "ball": 1}}))
    assert "structures, and that part steers, by dataset.json" in plan(*folders).stdout
