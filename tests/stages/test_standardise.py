"""The standardise stage: what its log says of labels that crop and grid lose, and of the set as a whole."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from gbaseg.cases import Case, read_table, write_table
from gbaseg.params import Params
from gbaseg.stages import standardise
from gbaseg.volume import Grid, Volume, read, write

ROOT = Path(__file__).parents[2]
GRID = Grid((4, 32, 32), (2.0, 1.0, 1.0))
# First and last column of each label. The crop is columns 10 to 21, around a bright block.
COLUMNS = {"whole": (12, 19), "fifth": (14, 23), "half": (17, 26), "sliver": (10, 22), "gone": (25, 30)}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GBASEG_WORKERS", "1")
    array = np.random.default_rng(0).normal(10, 1, GRID.shape).astype(np.float32)
    array[:, 14:18, 14:18] = 100
    cases = [Case(name, name, "A", "source", "train", "ceT1", f"{name}.nii.gz", f"{name}_l.nii.gz") for name in COLUMNS]
    for case in cases:
        first, last = COLUMNS[case.case]
        label = np.zeros(GRID.shape, np.uint8)
        label[1:3, 15:17, first : last + 1] = 1
        write(Volume(label, GRID), tmp_path / "raw" / case.label)
    cases.append(Case("t", "t", "A", "target", "train", "hrT2", "t.nii.gz"))
    for number, case in enumerate(cases):
        own = array.copy()
        own[0, 0, 0] += number / 100  # one scan is in a set once
        write(Volume(own, GRID), tmp_path / "raw" / case.image)
    write_table(cases, tmp_path / "raw")
    return tmp_path


def run(project, dataset=None, **changes):
    crop = {"spacing_xyz_mm": (1, 1, 2), "crop_xy_px": 12, "foreground": "all", "brain_percentile": 98, **changes}
    settings = Params(
        dataset={"root": "raw", "layout": "table", **(dataset or {})},
        standardise=crop,
        augmentation={"arm": "none"},
        segmentation={"folds": 2},
    )
    with (project / "params.yaml").open("w") as stream:
        YAML().dump(settings.model_dump(mode="json"), stream)
    standardise.run()


def other_labels(project):
    """An empty label for each source case, to draw into; written when the next one is asked for."""
    for name in COLUMNS:
        label = np.zeros(GRID.shape, np.uint8)
        yield label
        write(Volume(label, GRID), project / f"raw/{name}_l.nii.gz")


def last_line(capfd):
    return capfd.readouterr().err.splitlines()[-1]


def test_the_log_ends_with_a_warning_of_labels_that_the_crop_cuts(project, capfd):
    run(project)
    counted = json.loads((project / "metrics/data.json").read_text())["labels_cut_by_the_crop"]
    assert counted == 4
    line = last_line(capfd)
    assert "WARNING: 4 of 5 label(s) lose more than 5% of their volume to the crop" in line
    assert "worst: gone (100%), half (50%), fifth (20%), sliver (8%);" in line
    assert line.endswith("enlarge standardise.crop_xy_px (12)")


def test_along_z_the_other_key_is_named_too(project, capfd):
    run(project, crop_xy_px=30, crop_z_px=1)
    assert last_line(capfd).endswith("enlarge standardise.crop_xy_px (30) or standardise.crop_z_px (1)")


@pytest.mark.unusual(
    "Data sets and folders",
    "a structure that lies between the voxels of the standard grid",
    "a warning with the names of the labels that lose it, and the spacing; not the crop is blamed",
)
def test_what_the_grid_misses_is_not_the_crops(project, capfd):
    """Nor a structure that ends with the scan, and comes out smaller on a coarse grid."""
    for number, label in enumerate(other_labels(project)):
        label[2:4, 9:22, 9:22] = 1
        label[3, 1:31, 12:18] = 1  # up to the last slice
        label[0, 4:6, 5] = 2 if number else 0  # two voxels, none of them where the grid looks
    run(project, dataset={"structures": {"VS": 1, "Cochlea": 2}}, spacing_xyz_mm=(3, 3, 5), crop_xy_px=12)
    assert json.loads((project / "metrics/data.json").read_text())["labels_cut_by_the_crop"] == 0
    [line] = [line for line in capfd.readouterr().err.splitlines() if "WARNING" in line]
    assert line.endswith(
        "WARNING: Cochlea: nothing of it is left on the grid in 4 of 5 label(s) (fifth, gone, half, sliver): it lies "
        "between voxels of 3 x 3 x 5 mm (standardise.spacing_xyz_mm)"
    )


@pytest.mark.unusual(
    "Data sets and folders",
    "labels of two cochleas, and `dataset.structures: {Cochlea: 2}`, of which a mask keeps one piece",
    "a warning at the end of standardise, with the number of pieces to set",
)
def test_a_structure_of_more_pieces_than_masks_keep_is_a_warning(project, capfd):
    for number, label in enumerate(other_labels(project)):
        label[1:3, 15:17, 12:20] = 1
        label[1, 12, 12] = 1  # a speck is no piece
        label[1:3, 8:11, 12:20] = label[1:3, 20:23, 12:20] = 2
        if number == 0:
            label[1:3, 8:11] = 0
    run(project, dataset={"structures": {"VS": 1, "Cochlea": 2}}, crop_xy_px=32)
    assert (
        "WARNING: Cochlea has more pieces in 4 of 5 source label(s), 2 in most, than masks keep of it (1): the others "
        "would be lost. dataset.structures: Cochlea: {value: 2, pieces: 2} keeps 2"
    ) in last_line(capfd)
    run(project, dataset={"structures": {"VS": 1, "Cochlea": {"value": 2, "pieces": 2}}}, crop_xy_px=32)
    assert "WARNING" not in capfd.readouterr().err


def test_a_crop_that_holds_every_label_warns_of_none(project, capfd):
    run(project, crop_xy_px=32)
    assert "WARNING" not in capfd.readouterr().err


@pytest.mark.unusual(
    "Data sets and folders",
    "a set of which some scans' slices lie otherwise in the patient than the others' (sagittal among axial, say)",
    "a warning with their names, in the log and in doctor; counted in `metrics/data.json`",
)
def test_scans_whose_slices_lie_otherwise_are_a_warning_with_their_names(project, capfd):
    scan = read(project / "raw/t.nii.gz")
    sagittal = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    write(Volume(scan.array, replace(scan.grid, direction=sagittal, forms=None)), project / "raw/t.nii.gz")
    run(project, crop_xy_px=32)
    said = capfd.readouterr().err
    assert "slices of 5 axial, 1 sagittal (standardise.slices: acquired)" in said
    assert "WARNING: slices of 1 of 6 scan(s) lie otherwise in the patient than those of the others: t;" in said
    counted = json.loads((project / "metrics/data.json").read_text())
    assert counted["slices"] == {"asked_for": "acquired", "axial": 5, "sagittal": 1}
    assert (counted["slices_turned_otherwise"], counted["slices_turned_otherwise_in"]) == (1, "t")
    standard = read(project / "data/standard/images/t.nii.gz")
    assert standard.grid.spacing_zyx_mm == (2.0, 1.0, 1.0) and standard.grid.shape == (4, 32, 32)


@pytest.mark.unusual(
    "Data sets and folders",
    "several held-out scans of one patient, with labels",
    "a warning: intervals and p-values take scans for independent",
)
@pytest.mark.parametrize("patients", [("p1", "p1", "p2"), ("p1", "p2", "p3")])
def test_scores_of_several_scans_of_a_patient_are_a_warning(project, capfd, patients):
    """A bootstrap over 36 scans of 12 patients (SD 0.05 among patients, 0.03 within) held the truth in 145 of 200."""
    cases = read_table(project / "raw")
    [target] = [case for case in cases if case.domain == "target"]
    scan = read(project / "raw" / target.image)
    for number, patient in enumerate(patients, start=1):
        name = f"v{number}"
        files = {"image": f"{name}.nii.gz", "label": f"{name}_l.nii.gz"}
        held_out = replace(target, case=name, patient=patient, split="test", **files)
        own = scan.array.copy()
        own[0, 0, 0] += number
        write(scan.with_array(own), project / "raw" / held_out.image)
        shutil.copyfile(project / "raw/whole_l.nii.gz", project / "raw" / held_out.label)
        cases.append(held_out)
    write_table(cases, project / "raw")
    run(project, crop_xy_px=32)
    warnings = [line for line in capfd.readouterr().err.splitlines() if "WARNING" in line]
    if len(set(patients)) == len(patients):
        assert warnings == []
    else:
        [said] = warnings
        assert said.endswith(
            "WARNING: 3 labelled held-out scans are of 2 patients: intervals and p-values (gbaseg tables, study, rank) "
            "take scans for independent, and come out too sure; one scan a patient is free of that"
        )


def test_there_is_something_to_look_at_and_what_is_left_is_said(project, capfd):
    shutil.copyfile(ROOT / "dvc.yaml", project / "dvc.yaml")
    run(project, crop_xy_px=32)
    assert (project / "data/modalities.png").read_bytes().startswith(b"\x89PNG")
    said = capfd.readouterr().err
    assert "to look at: data/modalities.png" in said
    assert "stages after this one, by 2-cores, " in said


def test_in_another_pipeline_it_is_said_that_the_time_is_not_known(project, capfd):
    run(project, crop_xy_px=32)
    assert "how long the next stages take is not known: dvc.yaml: no such file" in capfd.readouterr().err
