"""Scans are brought to the grid that the model was trained on, whatever params.yaml says."""

import numpy as np
import pytest

from gbaseg import params
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

MODEL = layout.model_of("round_1")


@pytest.fixture
def seen(networks, monkeypatch):
    """The grids of what the networks are given."""
    grids, segment = [], networks.fold_probabilities
    monkeypatch.setattr(
        networks, "fold_probabilities", lambda self, image: (grids.append(image.grid), segment(self, image))[1]
    )
    return grids


@pytest.mark.unusual(
    "Commands",
    "`predict` after params.yaml has got another grid or intensity range than the model was trained on",
    "scans are standardised as the model was trained; the difference is said",
)
def test_a_scan_is_brought_to_the_models_grid_whatever_params_yaml_says(seen, gbaseg):
    about = {**params.load().standardise.model_dump(mode="json"), "spacing_xyz_mm": [3.0, 3.0, 3.0], "crop_xy_px": 24}
    write_json(MODEL / layout.ROUND, {"fine_grid": False, "standardise": about})
    result = gbaseg("good.nii.gz")
    assert result.exit_code == 0
    assert seen[0].spacing_zyx_mm == (3.0, 3.0, 3.0) and seen[0].shape[1:] == (24, 24)
    assert "standardised as it was trained: spacing_xyz_mm [3.0, 3.0, 3.0] (params.yaml: [" in result.stderr


@pytest.mark.parametrize(("named", "axial"), [("acquired", False), ("axial", True), (None, True), ("no section", True)])
def test_slices_are_those_of_the_model_and_axial_for_one_of_before(seen, scan, gbaseg, named, axial):
    sides = {"spacing_xyz_mm": [1.5, 1.5, 1.5], "crop_xy_px": 24, "crop_z_px": None}
    about = {**params.load().standardise.model_dump(mode="json"), **sides, "slices": named}
    if named is None:
        del about["slices"]
    about = {"fine_grid": False} if named == "no section" else {"fine_grid": False, "standardise": about}
    write_json(MODEL / layout.ROUND, about)
    sagittal = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    array = scan().array
    stack = Volume(array, Grid(array.shape, (4.0, 1.5, 1.5), direction=sagittal))
    write(stack, "stack.nii.gz")
    assert gbaseg("stack.nii.gz").exit_code == 0
    normal = np.array(seen[0].direction).reshape(3, 3)[:, 2]
    assert (abs(normal[2]) > 0.99) == axial
    assert read("masks/stack.nii.gz").grid.agrees_with(stack.grid, 1e-5)
