"""Any two folders of masks: pairs, scores, and every fault of every file at once."""

import os
from unittest import mock

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

SHAPE = (6, 10, 12)
OBLIQUE = Grid(SHAPE, (2.0, 0.5, 0.7), (-30.0, 4.0, 7.0), (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ, {"GBASEG_WORKERS": "1"}):
        yield tmp_path


def masks(folder, *names, grid=OBLIQUE, seed=0, dtype=np.uint8):
    """Random blocks of values 1 and 2."""
    rng = np.random.default_rng(seed)
    written = {}
    for name in names:
        array = np.zeros(grid.shape, dtype)
        corner = rng.integers(1, 4, 3)
        array[tuple(slice(at, at + 3) for at in corner)] = 1
        array[-1, -2:, -2:] = 2
        write(Volume(array, grid), folder / name)
        written[name] = array
    return written


def evaluate(*options):
    return CliRunner().invoke(main, ["evaluate", "--predictions", "p", "--references", "r", "--out", "s.csv", *options])


def fault(*options) -> str:
    result = evaluate(*options)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize(
    "name",
    ["ldn_1.nii.gz", "ldn_1.nii", "ldn_1_Label.nii.gz", "ldn_1_hrT2.mha", "ldn_1_seg.nrrd"],
)
def test_case_names(name, here):
    assert case_name(here / name) == "ldn_1"


def test_scores_are_those_of_the_masks(here):
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


def test_empty_prediction_is_350_mm_and_empty_reference_undefined(here):
    masks(here / "p", "a.nii.gz")
    masks(here / "r", "a.nii.gz", "b.nii.gz")
    write(Volume(np.zeros(SHAPE, np.uint8), OBLIQUE), here / "p/b.nii.gz")
    masks(here / "p", "c.nii.gz")
    write(Volume(np.zeros(SHAPE, np.uint8), OBLIQUE), here / "r/c.nii.gz")
    assert evaluate().exit_code == 0
    table = pd.read_csv(here / "s.csv").set_index("case")
    assert list(table.loc["b", ["dice", "assd_mm"]]) == [0.0, 350.0]
    assert table.loc["c", ["dice", "assd_mm"]].isna().all() and table.loc["c", "predicted_mm3"] > 0


def test_all_faults_of_all_files_in_one_message_and_nothing_written(here):
    masks(here / "p", "alone.nii.gz", "grid.nii.gz", "nan.nii.gz", "soft.nii.gz", "twice.nii.gz", "twice.mha")
    masks(here / "r", "missing.nii.gz", "nan.nii.gz", "soft.nii.gz", "twice.nii.gz", "cut.nii.gz", "four.nii.gz")
    masks(here / "r", "grid.nii.gz", grid=Grid(SHAPE, (2.0, 0.5, 0.8)))
    masks(here / "p", "cut.nii.gz")
    whole = (here / "p/cut.nii.gz").read_bytes()
    (here / "p/cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.uint8), np.eye(4)), here / "p/four.nii.gz")
    values = np.zeros(SHAPE, np.float32)
    values[1, 2, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), here / "p/nan.nii.gz")
    write(Volume(np.full(SHAPE, 0.3, np.float32), OBLIQUE), here / "p/soft.nii.gz")
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


@pytest.mark.unusual("Commands", "`evaluate` on references without codes, off the predictions' grid", "what they lack")
def test_a_reference_without_codes(here, scans):
    masks(here / "p", "a.nii.gz")
    masks(here / "r", "a.nii.gz")
    scans.edit(here / "r/a.nii.gz", sform_code=0, qform_code=0)
    assert "not on the grid of r/a.nii.gz (its header has no form with a code" in fault()


@pytest.mark.unusual(
    "Commands", "`evaluate` on masks with pixdim 0, or with two forms that differ", "what is taken, file by file"
)
def test_what_was_not_followed_in_a_header_is_said(here, scans):
    for folder in "pr":
        masks(here / folder, "a.nii.gz", grid=Grid(SHAPE, (2.0, 0.5, 0.7)))
    scans.edit(here / "p/a.nii.gz", pixdim={3: 0.0})
    scans.edit(here / "r/a.nii.gz", qoffset_x=9.0)
    result = evaluate()
    assert result.exit_code == 0
    assert "p/a.nii.gz: pixdim 0.7, 0.5, 0 (x, y, z) is no voxel size; taken: the sform's" in result.stderr
    assert "r/a.nii.gz: sform (code 1) and qform (code 1) differ" in result.stderr


def test_another_grid_is_taken_with_resample(here):
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
def test_what_cannot_be_brought_to_the_references_grid(here, scans, side):
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


def test_empty_and_missing_folders(here):
    (here / "p").mkdir()
    message = fault()
    assert "p: no mask in it" in message
    assert "r: no such folder" in message


def test_vector_pixels(here):
    masks(here / "r", "a.nii.gz")
    (here / "p").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((*SHAPE, 3), np.uint8), isVector=True), "p/a.nii.gz")
    assert "p/a.nii.gz: found 5D (12 x 10 x 6 x 1 x 3); allowed: a 3D image with one channel" in fault()


def test_whole_numbers_stored_as_floats_are_masks(here):
    masks(here / "p", "a.nii.gz", dtype=np.float32)
    masks(here / "r", "a.nii.gz")
    assert evaluate().exit_code == 0
    assert pd.read_csv(here / "s.csv")["dice"].tolist() == [1.0]


@pytest.mark.parametrize("structures", ["VS", "VS=0", "VS=1,VS=2", "a=1,b=1", "=1", "VS=x"])
def test_structures_that_make_no_sense(structures):
    result = evaluate("--structures", structures)
    assert result.exit_code == 1
    assert repr(structures) in result.stderr


def write_values(name, *values, dtype=np.uint8):
    """A mask with a block of every value."""
    array = np.zeros(SHAPE, dtype)
    for index, value in enumerate(values):
        array[1:3, 1:4, 1 + 2 * index : 3 + 2 * index] = value
    write(Volume(array, OBLIQUE), name)


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
def test_values_that_no_structure_has(here, predictions, references, structures, says):
    for folder, group in (("p", predictions), ("r", references)):
        for case, values in zip("ab", group, strict=True):
            write_values(here / folder / f"{case}.nii.gz", *values)
    message = fault("--structures", structures)
    assert message.startswith(f"gbaseg: {len(says)} fault(s), nothing written")
    assert all(text in message for text in says)
    assert not (here / "s.csv").exists()


def test_another_structures_value_is_right_also_where_the_named_one_is_missing(here):
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
def test_scans_are_no_masks(here):
    masks(here / "r", "a.nii.gz")
    write(Volume(np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.int16), OBLIQUE), here / "p/a.nii.gz")
    assert "p/a.nii.gz: 719 values (a scan?); allowed: a mask of at most 256" in fault()


@pytest.mark.unusual(
    "Commands", "`evaluate --out` or `rank --out` that is one of its inputs", "refused; it stays as it is"
)
def test_the_table_never_takes_a_masks_place(here):
    masks(here / "p", "a.nii.gz")
    masks(here / "r", "a.nii.gz")
    (here / "s.csv").symlink_to(here / "r/a.nii.gz")
    before = (here / "r/a.nii.gz").read_bytes()
    assert "--out s.csv: r/a.nii.gz, a mask that is scored" in fault()
    assert (here / "r/a.nii.gz").read_bytes() == before


@pytest.mark.unusual("Commands", "`evaluate` of a folder against itself, or of links to the references", "every pair")
def test_a_reference_is_no_prediction(here):
    masks(here / "r", "a.nii.gz", "b.nii.gz")
    (here / "p").mkdir()
    (here / "p/a.nii.gz").symlink_to("../r/a.nii.gz")
    (here / "p/b.nii.gz").hardlink_to(here / "r/b.nii.gz")
    message = fault()
    for case in "ab":
        assert f"p/{case}.nii.gz: the same file as its reference r/{case}.nii.gz" in message


def test_files_that_are_passed_over_are_named(here):
    masks(here / "p", "a.nii.gz", "b.nii.gz")
    masks(here / "r", "a.nii.gz", "b.nii.gz")
    (here / "p/c.img").touch()
    result = evaluate()
    assert result.exit_code == 0
    assert "p: 1 passed over, which are no masks by their names: c.img" in result.stderr


def test_round_and_folders_at_once_or_half_of_the_options():
    assert evaluate("round_0").exit_code == 1
    assert CliRunner().invoke(main, ["evaluate", "--predictions", "p"]).exit_code == 1
