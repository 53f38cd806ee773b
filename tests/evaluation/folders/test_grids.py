"""Masks and references on other grids, and headers that say little or two things."""

import numpy as np
import pandas as pd
import pytest

from gbaseg.volume import Grid, Volume, write


@pytest.mark.unusual("Commands", "`evaluate` on references without codes, off the predictions' grid", "what they lack")
def test_a_reference_without_codes(here, scans, masks, fault):
    masks(here / "p", "a.nii.gz")
    masks(here / "r", "a.nii.gz")
    scans.edit(here / "r/a.nii.gz", sform_code=0, qform_code=0)
    assert "not on the grid of r/a.nii.gz (its header has no form with a code" in fault()


@pytest.mark.unusual(
    "Commands", "`evaluate` on masks with pixdim 0, or with two forms that differ", "what is taken, file by file"
)
def test_what_was_not_followed_in_a_header_is_said(here, scans, grid, masks, evaluate):
    for folder in "pr":
        masks(here / folder, "a.nii.gz", grid=Grid(grid.shape, (2.0, 0.5, 0.7)))
    scans.edit(here / "p/a.nii.gz", pixdim={3: 0.0})
    scans.edit(here / "r/a.nii.gz", qoffset_x=9.0)
    result = evaluate()
    assert result.exit_code == 0
    assert "p/a.nii.gz: pixdim 0.7, 0.5, 0 (x, y, z) is no voxel size; taken: the sform's" in result.stderr
    assert "r/a.nii.gz: sform (code 1) and qform (code 1) differ" in result.stderr


def test_another_grid_is_taken_with_resample(here, evaluate, fault):
    fine = Grid((8, 8, 8), (1.0, 1.0, 1.0))
    coarse = Grid((4, 4, 4), (2.0, 2.0, 2.0), (0.5, 0.5, 0.5))
    array = np.zeros((4, 4, 4), np.uint8)
    array[1:3, 1:3, 1:3] = 1
    write(Volume(array, coarse), here / "p/a.nii.gz")
    write(Volume(array.repeat(2, 0).repeat(2, 1).repeat(2, 2), fine), here / "r/a.nii.gz")
    assert "--resample" in fault()
    assert evaluate("--resample").exit_code == 0
    assert pd.read_csv(here / "s.csv")["dice"].tolist() == [1.0]


@pytest.mark.unusual(
    "Commands", "`evaluate --resample` of a mask without codes, or beside its reference", "a fault; no Dice of 0"
)
@pytest.mark.parametrize("side", ["p", "r"])
def test_what_cannot_be_brought_to_the_references_grid(here, scans, masks, fault, side):
    """Resampled it would be empty: a Dice of 0 and an ASSD of 350 mm that say nothing of the mask."""
    for folder in "pr":
        masks(here / folder, "a.nii.gz", "b.nii.gz")
    scans.edit(here / side / "a.nii.gz", sform_code=0, qform_code=0)
    scans.edit(here / side / "b.nii.gz", qform_code=0, srow_x={3: 1030.0})
    for options in ([], ["--resample"]):
        said = fault(*options)
        assert (
            "allowed: the reference's grid (--resample cannot bring it there: it is not said where the voxels" in said
        )
        assert "(--resample cannot bring it there: nothing of it lies within the reference)" in said
        assert not (here / "s.csv").exists()
