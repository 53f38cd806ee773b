"""Pairs of two folders and their scores; faults of all files at once, and nothing that is scored is written over."""

import nibabel
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.evaluation.folders import case_name
from gbaseg.evaluation.metrics import assd_mm, dice, pooled_assd_mm
from gbaseg.volume import Grid, Volume, write


@pytest.mark.parametrize(
    "name",
    ["ldn_1.nii.gz", "ldn_1.nii", "ldn_1_Label.nii.gz", "ldn_1_hrT2.mha", "ldn_1_seg.nrrd"],
)
def test_case_names(here, name):
    assert case_name(here / name) == "ldn_1"


def test_scores_are_those_of_the_masks(here, masks, evaluate):
    mine = masks(here / "p", "a.nii.gz", "b.mha", seed=1)
    theirs = masks(here / "r", "a_Label.nii.gz", "b_Label.nii.gz", seed=2)
    result = evaluate("--structures", "VS=1,Cochlea=2")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(here / "s.csv").set_index(["case", "structure"])
    assert len(table) == 4
    first, second = theirs["a_Label.nii.gz"] == 1, mine["a.nii.gz"] == 1
    row = table.loc[("a", "VS")]
    assert row["dice"] == pytest.approx(dice(first, second))
    assert row["assd_mm"] == pytest.approx(assd_mm(first, second, (2.0, 0.5, 0.7)))
    assert row["pooled_assd_mm"] == pytest.approx(pooled_assd_mm(first, second, (2.0, 0.5, 0.7)))
    assert table.loc[("b", "Cochlea"), "dice"] == 1.0


def test_empty_prediction_is_350_mm_and_empty_reference_undefined(here, grid, masks, evaluate):
    masks(here / "p", "a.nii.gz")
    masks(here / "r", "a.nii.gz", "b.nii.gz")
    write(Volume(np.zeros(grid.shape, np.uint8), grid), here / "p/b.nii.gz")
    masks(here / "p", "c.nii.gz")
    write(Volume(np.zeros(grid.shape, np.uint8), grid), here / "r/c.nii.gz")
    assert evaluate().exit_code == 0
    table = pd.read_csv(here / "s.csv").set_index("case")
    assert list(table.loc["b", ["dice", "assd_mm"]]) == [0.0, 350.0]
    assert table.loc["c", ["dice", "assd_mm"]].isna().all() and table.loc["c", "predicted_mm3"] > 0


def test_all_faults_of_all_files_in_one_message_and_nothing_written(here, grid, masks, fault):
    masks(here / "p", "alone.nii.gz", "grid.nii.gz", "nan.nii.gz", "soft.nii.gz", "twice.nii.gz", "twice.mha")
    masks(here / "r", "missing.nii.gz", "nan.nii.gz", "soft.nii.gz", "twice.nii.gz", "cut.nii.gz", "four.nii.gz")
    masks(here / "r", "grid.nii.gz", grid=Grid(grid.shape, (2.0, 0.5, 0.8)))
    masks(here / "p", "cut.nii.gz")
    whole = (here / "p/cut.nii.gz").read_bytes()
    (here / "p/cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.uint8), np.eye(4)), here / "p/four.nii.gz")
    values = np.zeros(grid.shape, np.float32)
    values[1, 2, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), here / "p/nan.nii.gz")
    write(Volume(np.full(grid.shape, 0.3, np.float32), grid), here / "p/soft.nii.gz")
    message = fault()
    for expected in (
        "p/alone.nii.gz: no reference for case alone",
        "r/missing.nii.gz: no prediction for case missing",
        "p/cut.nii.gz: cannot be read",
        "p/four.nii.gz: found 4D (4 x 4 x 4 x 2)",
        "p/nan.nii.gz: 1 voxels are NaN",
        "are no whole numbers: 0.3",
        "p/twice.mha, p/twice.nii.gz: 2 files of case twice",
        "p/grid.nii.gz: not on the grid of r/grid.nii.gz: ",
        "spacing 0.7, 0.5, 2 against 0.8, 0.5, 2",
    ):
        assert expected in message
    assert message.startswith("gbaseg: 8 fault(s), nothing written")
    assert sorted(path.name for path in here.iterdir()) == ["p", "r"]


def test_empty_and_missing_folders(here, fault):
    (here / "p").mkdir()
    message = fault()
    assert "p: no mask in it" in message
    assert "r: no such folder" in message


def test_vector_pixels(here, grid, masks, fault):
    masks(here / "r", "a.nii.gz")
    (here / "p").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((*grid.shape, 3), np.uint8), isVector=True), "p/a.nii.gz")
    assert "p/a.nii.gz: found 5D (12 x 10 x 6 x 1 x 3); allowed: a 3D image with one channel" in fault()


@pytest.mark.unusual(
    "Commands", "`evaluate --out` or `rank --out` that is one of its inputs", "refused; it stays as it is"
)
def test_the_table_never_takes_a_masks_place(here, masks, fault):
    masks(here / "p", "a.nii.gz")
    masks(here / "r", "a.nii.gz")
    (here / "s.csv").symlink_to(here / "r/a.nii.gz")
    before = (here / "r/a.nii.gz").read_bytes()
    assert "--out s.csv: r/a.nii.gz, a mask that is scored" in fault()
    assert (here / "r/a.nii.gz").read_bytes() == before


@pytest.mark.unusual("Commands", "`evaluate` of a folder against itself, or of links to the references", "every pair")
def test_a_reference_is_no_prediction(here, masks, fault):
    masks(here / "r", "a.nii.gz", "b.nii.gz")
    (here / "p").mkdir()
    (here / "p/a.nii.gz").symlink_to("../r/a.nii.gz")
    (here / "p/b.nii.gz").hardlink_to(here / "r/b.nii.gz")
    message = fault()
    for case in "ab":
        assert f"p/{case}.nii.gz: the same file as its reference r/{case}.nii.gz" in message


def test_files_that_are_passed_over_are_named(here, masks, evaluate):
    masks(here / "p", "a.nii.gz", "b.nii.gz")
    masks(here / "r", "a.nii.gz", "b.nii.gz")
    (here / "p/c.img").touch()
    result = evaluate()
    assert result.exit_code == 0
    assert "p: 1 passed over, which are no masks by their names: c.img" in result.stderr


def test_round_and_folders_at_once_or_half_of_the_options(evaluate):
    assert evaluate("round_0").exit_code == 1
    assert CliRunner().invoke(main, ["evaluate", "--predictions", "p"]).exit_code == 1
