"""Values that no structure has, and structures that no mask has."""

import numpy as np
import pandas as pd
import pytest

from gbaseg.volume import Volume, write


def test_whole_numbers_stored_as_floats_are_masks(here, masks, evaluate):
    masks(here / "p", "a.nii.gz", dtype=np.float32)
    masks(here / "r", "a.nii.gz")
    assert evaluate().exit_code == 0
    assert pd.read_csv(here / "s.csv")["dice"].tolist() == [1.0]


@pytest.fixture
def write_values(grid):
    """Writes a mask with a block of every value."""

    def call(name, *values):
        array = np.zeros(grid.shape, np.uint8)
        for index, value in enumerate(values):
            array[1:3, 1:4, 1 + 2 * index : 3 + 2 * index] = value
        write(Volume(array, grid), name)

    return call


@pytest.mark.parametrize("structures", ["VS", "VS=0", "VS=1,VS=2", "a=1,b=1", "=1", "VS=x"])
def test_structures_that_make_no_sense(evaluate, structures):
    result = evaluate("--structures", structures)
    assert result.exit_code == 1
    assert repr(structures) in result.stderr


@pytest.mark.parametrize(
    ("predictions", "references", "structures", "says"),
    [
        pytest.param(
            [(255,), (255,)],
            [(255,), (255,)],
            "tumour=1",
            [
                f"{folder}/{case}.nii.gz: values 255, none of tumour = 1; "
                "allowed: the structures' values, in predictions and references alike, as --structures says them "
                "(--structures tumour=255?)"
                for case in "ab"
                for folder in "pr"
            ],
            marks=pytest.mark.unusual(
                "Commands",
                "`evaluate` on masks of 0 and 255 with `tumour=1`",
                "every mask with its values, those wanted",
            ),
        ),
        pytest.param(
            [(1,), (1,)],
            [(1, 2), (255,)],
            "tumour=1",
            ["r/b.nii.gz: values 255, none of tumour = 1"],
            marks=pytest.mark.unusual(
                "Commands", "`evaluate`: one reference of many with 255 for 1", "that file; not an undefined score"
            ),
        ),
        pytest.param(
            [(2,), (2,)],
            [(1,), (1,)],
            "tumour=1",
            [f"p/{case}.nii.gz: values 2, none of tumour = 1" for case in "ab"],
            marks=pytest.mark.unusual(
                "Commands", "`evaluate`: predictions of 2 where references have 1", "every prediction, its values"
            ),
        ),
        pytest.param(
            [(1, 2), (1, 2)],
            [(1, 2), (1, 2)],
            "VS=1,none=7",
            ["none = 7: in no reference; values of the references: 1, 2"],
            marks=pytest.mark.unusual(
                "Commands", "`evaluate`: a structure that no reference has", "the structure, the references' values"
            ),
        ),
        pytest.param(
            [(1, 3), (1, 3)],
            [(1, 2), (1, 2)],
            "VS=1,Cochlea=2",
            ["Cochlea = 2: in no prediction, and 3, which some have, is no structure's and in no reference"],
            marks=pytest.mark.unusual(
                "Commands", "`evaluate`: the second structure has another value in predictions", "the value found"
            ),
        ),
    ],
)
def test_values_that_no_structure_has(here, fault, write_values, predictions, references, structures, says):
    for folder, group in (("p", predictions), ("r", references)):
        for case, values in zip("ab", group, strict=True):
            write_values(here / folder / f"{case}.nii.gz", *values)
    message = fault("--structures", structures)
    assert message.startswith(f"gbaseg: {len(says)} fault(s), nothing written")
    assert all(text in message for text in says)
    assert not (here / "s.csv").exists()


def test_another_structures_value_is_right_also_where_the_named_one_is_missing(here, evaluate, write_values):
    """CrossMoDA's cochlea beside the tumour; a prediction that found the cochlea alone has missed the tumour."""
    write_values(here / "p/a.nii.gz", 2)
    write_values(here / "r/a.nii.gz", 1, 2)
    write_values(here / "p/b.nii.gz", 1)
    write_values(here / "r/b.nii.gz", 2)
    assert evaluate().exit_code == 0
    table = pd.read_csv(here / "s.csv").set_index("case")
    assert list(table.loc["a", ["dice", "assd_mm"]]) == [0.0, 350.0]
    assert table.loc["b", ["dice", "assd_mm"]].isna().all()


@pytest.mark.unusual("Commands", "`evaluate` on a folder of scans", "that they hold more values than a mask")
def test_scans_are_no_masks(here, grid, masks, fault):
    masks(here / "r", "a.nii.gz")
    write(Volume(np.arange(np.prod(grid.shape)).reshape(grid.shape).astype(np.int16), grid), here / "p/a.nii.gz")
    assert "p/a.nii.gz: 719 values (a scan?); allowed: a mask of at most 256" in fault()
