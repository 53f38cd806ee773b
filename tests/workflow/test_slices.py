"""What the log, metrics/data.json and doctor say of a set's slices."""

import numpy as np
import pytest

from gbaseg.volume import Grid
from gbaseg.workflow.slices import slices_of

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# x towards posterior, y downwards, z to the right; and lying on its side.
SAGITTAL = tuple(np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], float).ravel())


def stack(direction, spacing=(5.0, 0.75, 0.75)):
    return Grid((6, 20, 24), spacing, direction=direction)


def test_cases_that_lie_otherwise_are_named():
    found = slices_of({"a": stack(SAGITTAL), "b": stack(SAGITTAL), "c": stack(AXIAL)}, "acquired")
    assert found.words == "slices of 2 sagittal, 1 axial (standardise.slices: acquired)"
    assert len(found.warnings) == 1
    assert "slices of 1 of 3 scan(s) lie otherwise in the patient than those of the others: c;" in found.warnings[0]
    assert found.summary() == {
        "slices": {"asked_for": "acquired", "sagittal": 2, "axial": 1},
        "slices_turned_otherwise": 1,
        "slices_turned_otherwise_in": "c",
        "thickest_side_in_slices": 0,
        "thickest_side_in_slices_in": "",
    }


def test_a_plane_asked_for_is_said_to_cut_across_the_acquired_slices():
    found = slices_of({"a": stack(SAGITTAL), "c": stack(AXIAL)}, "axial")
    assert found.otherwise == () and found.thick_in_plane == ("a",)
    assert "the thickest side of the voxels of 1 of 2 scan(s) lies in their axial slices: a;" in found.warnings[0]


def test_a_set_of_one_kind_warns_of_nothing():
    for grid in (stack(SAGITTAL), stack(AXIAL), stack(SAGITTAL, (1.0, 1.0, 1.0))):
        assert slices_of({"a": grid, "b": grid}, "acquired").warnings == []
    assert slices_of({}, "acquired").warnings == []


def test_no_more_than_twenty_are_named():
    scans = {f"s{number}": stack(SAGITTAL) for number in range(50)} | {f"a{n}": stack(AXIAL) for n in range(23)}
    assert "a19 and 3 more (metrics/data.json);" in slices_of(scans, "acquired").warnings[0]


@pytest.mark.parametrize(
    ("direction", "mirrored", "says"),
    [
        (SAGITTAL, ("x",), "in sagittal slices left to right is z"),
        (SAGITTAL, ("z",), ""),
        (AXIAL, ("x",), ""),
        (AXIAL, ("z", "y"), "in axial slices left to right is x"),
        (AXIAL, (), ""),
        (SAGITTAL, None, ""),
    ],
)
def test_patients_that_are_mirrored_front_to_back_are_a_warning(direction, mirrored, says):
    warnings = slices_of({"a": stack(direction)}, "acquired", mirrored).warnings
    assert len(warnings) == bool(says) and says in "".join(warnings)
