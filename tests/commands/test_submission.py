"""A leaderboard's answer, entered back; a submission's names, formats and mistakes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gbaseg.cases import Case, write_table
from gbaseg.cli import main
from gbaseg.commands.submission import LEADERBOARD, entries
from gbaseg.params import load
from gbaseg.standardise.case import standardise_image
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    shutil.copyfile(ROOT / "presets/default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gbaseg(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_an_answer_replaces_the_earlier_one_of_its_round_structure_and_source():
    for dice in ("0.8", "0.85"):
        assert gbaseg("leaderboard", "round_1", "--structure", "VS", "--dice", dice, "--cases", "64").exit_code == 0
    assert gbaseg("leaderboard", "round_0", "--structure", "VS", "--dice", "0.7", "--assd", "0.6").exit_code == 0
    assert [(one.round, one.dice_mean, one.assd_mm_mean, one.cases) for one in entries()] == [
        ("round_0", 0.7, 0.6, None), ("round_1", 0.85, None, 64),
    ]  # fmt: skip
    assert json.loads(LEADERBOARD.read_text())[0]["source"] == "leaderboard"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["round_9", "--structure", "VS", "--dice", "0.8"], "round_9: no such round"),
        (["round_1", "--structure", "T", "--dice", "0.8"], "--structure T: no structure of params.yaml; there are: VS"),
    ],
)
def test_an_answer_for_what_there_is_not(arguments, says):
    result = gbaseg("leaderboard", *arguments)
    assert result.exit_code == 1
    assert says in result.stderr
    assert not LEADERBOARD.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(
            ["--dice", "80"], "80.0 is not in the range 0<=x<=1",
            marks=pytest.mark.unusual("Commands", "`leaderboard --dice 80`", "what a Dice can be"),
        ),
        pytest.param(
            ["--dice", "nan"], "nan is no number",
            marks=pytest.mark.unusual("Commands", "`leaderboard` with nan or inf", "no number"),
        ),
        (["--dice", "0.8", "--assd", "inf"], "inf is no number"),
        (["--dice", "0.8", "--assd", "-1"], "-1.0 is not in the range x>=0"),
        pytest.param(
            ["--dice", "0", "--assd", "0"], "Dice 0 beside ASSD 0",
            marks=pytest.mark.unusual("Commands", "`leaderboard --dice 0 --assd 0`", "that both cannot be"),
        ),
        pytest.param(
            ["--dice", "0.868", "--dice-sd", "6.6"], "--dice-sd 6.6; allowed: 0.479 at most, for a mean of 0.868",
            marks=pytest.mark.unusual("Commands", "`leaderboard`: an SD that cannot be", "the largest"),
        ),
        (["--dice", "0.8", "--dice-sd", "0.1", "--cases", "1"], "--cases 1 with a spread"),
        (["--dice", "0.8", "--assd-sd", "0.1"], "--assd-sd without --assd"),
    ],
)  # fmt: skip
def test_scores_that_cannot_be_are_not_entered(arguments, says):
    result = gbaseg("leaderboard", "round_1", "--structure", "VS", *arguments)
    assert result.exit_code == 1 and says in result.stderr, result.output
    assert not LEADERBOARD.exists()


@pytest.mark.unusual(
    "Commands", "metrics/leaderboard.json edited by hand, or merged by git", "the file, and what to do"
)
@pytest.mark.parametrize("content", ["<<<<<<< HEAD", "{}x", '[{"round": "round_1"}]', "[1]", "3"])
def test_a_broken_file_of_answers_is_named(content):
    LEADERBOARD.parent.mkdir()
    LEADERBOARD.write_text(content)
    result = gbaseg("leaderboard", "round_1", "--structure", "VS", "--dice", "0.8")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "metrics/leaderboard.json" in result.stderr
    assert LEADERBOARD.read_text() == content


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"dice_mean": "0.8", "cases": True}, ["0.dice_mean: Input should be a valid number", "0.cases: "]),
        ({"dice_mean": None}, ["0.dice_mean: Input should be a valid number"]),
        ({"dice_mean": 80}, ["round_1, VS: Dice 80; allowed: 0 to 1 (80 % is 0.8)"]),
        ({"assd_mm_sd": 1.0}, ["--assd-sd without --assd"]),
        ({"rank": 1}, ["0.rank: "]),
    ],
)
def test_an_answer_that_was_edited_into_one_that_cannot_be_is_not_shown_and_not_kept(changed, says):
    assert gbaseg("leaderboard", "round_1", "--structure", "VS", "--dice", "0.8").exit_code == 0
    write_json(LEADERBOARD, [{**json.loads(LEADERBOARD.read_text())[0], **changed}])
    before = LEADERBOARD.read_text()
    for name in ("survey", "round_0", "round_1"):
        write_json(layout.round_metrics(name), {"agreement": None})
    for command in (["show"], ["leaderboard", "round_0", "--structure", "VS", "--dice", "0.7"]):
        result = gbaseg(*command)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
        assert all(part in result.stderr for part in ["metrics/leaderboard.json: ", *says]), result.stderr
    assert LEADERBOARD.read_text() == before


def test_a_submission_needs_a_name_with_the_case_an_empty_folder_and_masks(here):
    assert (
        "--name a.nii.gz: no {case}; allowed: a file name"
        in gbaseg("submission", "--out", "m", "--name", "a.nii.gz").stderr
    )
    (here / "full").mkdir()
    (here / "full/file").touch()
    assert "full: has files in it" in gbaseg("submission", "--out", "full").stderr
    assert (
        "not there yet: data/standard, data/pseudo_labelled/round_1/scan" in gbaseg("submission", "--out", "m").stderr
    )
    assert not (here / "m").exists()


GRID = Grid((6, 24, 20), (3.0, 2.0, 2.5), (-3.0, 4.0, 5.0), (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0))
MASKS = layout.pseudo_labelled("round_1") / "scan"


@pytest.fixture
def masks():
    """Two held-out cases and their masks of the last round, on an oblique grid."""
    array = np.random.default_rng(0).normal(100, 5, GRID.shape).astype(np.float32)
    array[2:4, 8:14, 8:14] += 300
    _, record = standardise_image(Volume(array, GRID), load().standardise)
    names = ["c1", "c2"]
    cases = [Case(name, name, "A", "target", "test", "hrT2", f"images/{name}.nii.gz") for name in names]
    write_table(cases, layout.STANDARD)
    for index, name in enumerate(names):
        write_json(layout.STANDARD / "records" / f"{name}.json", record.to_dict())
        write(Volume((array > 200 + index).astype(np.uint8), GRID), MASKS / f"{name}.nii.gz")


def submit(name, out="out"):
    return gbaseg("submission", "--out", out, "--name", name)


@pytest.mark.unusual("Commands", "`submission --name '{case}.mha'`, `.nrrd`, `.nii`", "that format, the same voxels")
@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("{case}.mha", b"ObjectType = Image"),
        ("{case}_seg.nrrd", b"NRRD000"),
        ("{case}.nii", b"\x5c\x01\x00\x00"),
        ("team {case}-{case}.mha", b"ObjectType = Image"),
        ("{case}.NII.GZ", b"\x1f\x8b"),
    ],
)
def test_the_name_says_the_format(masks, name, begin):
    result = submit(name)
    assert result.exit_code == 0, result.output
    for case in ("c1", "c2"):
        path = Path("out") / name.replace("{case}", case)
        assert path.read_bytes().startswith(begin)
        mine, theirs = read(path), read(MASKS / f"{case}.nii.gz")
        assert mine.grid.agrees_with(theirs.grid, 1e-4) and mine.array.dtype == np.uint8
        np.testing.assert_array_equal(mine.array, theirs.array)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param(
            "{case}_{round}.nii.gz", "other braces than those of {case}",
            marks=pytest.mark.unusual("Commands", "`submission --name` with another placeholder", "what is allowed"),
        ),
        pytest.param(
            "{case!r}.nii.gz", "no {case}; allowed",
            marks=pytest.mark.unusual("Trust", "`submission --name '{case.__class__}'`, `{case!r}`", "refused"),
        ),
        ("{case.__class__}.nii.gz", "no {case}; allowed"),
        ("{}.nii.gz", "no {case}; allowed"),
        ("{0}{case}.nii.gz", "other braces"),
        pytest.param(
            "{case}}.nii.gz", "other braces",
            marks=pytest.mark.unusual("Commands", "`submission --name` with an open brace", "what is allowed"),
        ),
        ("{{case}}.nii.gz", "other braces"),
        pytest.param(
            "../{case}.nii.gz", "leads to another folder",
            marks=pytest.mark.unusual("Trust", "`submission --name` with `/`, `..` or a whole path", "no other folder"),
        ),
        ("/tmp/{case}.nii.gz", "leads to another folder"),
        ("a\\{case}.nii.gz", "leads to another folder"),
        ("..{case}.nii.gz", "is a hidden file's"),
        pytest.param(
            ".{case}.nii.gz", "is a hidden file's",
            marks=pytest.mark.unusual("Commands", "`submission --name` of a hidden file", "one without the dot"),
        ),
        pytest.param(
            "{case}.tif", "no format that is read or written (.tif)",
            marks=pytest.mark.unusual("Commands", "`submission --name` of another format, or of none", "the formats"),
        ),
        ("{case}", "no format that is read or written (no suffix)"),
        pytest.param(
            "{case}.mhd", ".mhd is a header whose voxels lie in another file; written: ",
            marks=pytest.mark.unusual("Commands", "`submission --name '{case}.mhd'`", "the formats that are written"),
        ),
        ("{case}.gz", "no format that is read or written"),
        pytest.param(
            "{case}.img.nii.gz", "ends like two formats",
            marks=pytest.mark.unusual("Commands", "`submission --name '{case}.img.nii.gz'`", "one format's end"),
        ),
        pytest.param(
            "{case}\n.nii.gz", "signs that cannot be printed",
            marks=pytest.mark.unusual("Commands", "`submission --name` with a line break", "that it cannot be printed"),
        ),
        pytest.param(
            "x" * 240 + "{case}.nii.gz", "bytes; allowed: 246 at most",
            marks=pytest.mark.unusual("Commands", "`submission --name` of 250 signs", "how long it may be"),
        ),
        ("", "no {case}; allowed"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_kept_are_refused_before_anything(masks, name, says):
    result = submit(name)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert says in result.stderr
    assert not Path("out").exists()


def test_cases_whose_files_some_systems_take_for_one(masks):
    write_table([Case(name, name, "A", "target", "test", "hrT2", "i.nii.gz") for name in ("c1", "C1")], layout.STANDARD)
    assert "C1, c1: 2 cases for the file C1.nii.gz; allowed: a file for each" in submit("{case}.nii.gz").stderr


@pytest.mark.unusual(
    "Commands", "`submission` of masks that are missing, cut off or off their scan's grid", "all of them"
)
def test_every_mask_that_cannot_be_handed_in_is_named(masks):
    (MASKS / "c1.nii.gz").write_bytes((MASKS / "c1.nii.gz").read_bytes()[:-20])
    write(Volume(np.zeros((4, 4, 4), np.uint8), Grid((4, 4, 4), (1.0, 1.0, 1.0))), MASKS / "c2.nii.gz")
    message = submit("{case}.mha").stderr
    assert f"{MASKS}/c1.nii.gz: cannot be read" in message
    assert f"{MASKS}/c2.nii.gz: not on its scan's grid: voxels 4, 4, 4 against" in message
    (MASKS / "c2.nii.gz").unlink()
    assert f"{MASKS}/c2.nii.gz: no such file" in submit("{case}.mha").stderr
    assert not Path("out").exists()


@pytest.mark.unusual(
    "Commands",
    "`submission` of masks that were changed into probabilities, or into values of no structure",
    "all of them",
)
def test_what_is_no_mask_of_the_structures_is_not_handed_in(masks):
    for name, array in (("c1", np.full(GRID.shape, 0.7, np.float32)), ("c2", np.full(GRID.shape, 7, np.uint8))):
        write(Volume(array, GRID), MASKS / f"{name}.nii.gz")
    message = submit("{case}.nii.gz").stderr
    assert f"{MASKS}/c1.nii.gz: float32 values that are no whole numbers: 0.7" in message
    assert f"{MASKS}/c2.nii.gz: value(s) 7; allowed: 0, 1 (VS)" in message
    assert not Path("out").exists()


@pytest.mark.unusual("Commands", "`submission` of masks of another run", "whose they are; nothing is written")
def test_masks_of_another_run_are_not_handed_in(masks):
    """params.yaml has changed since, or is another branch's, whose masks were not checked out."""
    lock = "stages: {pseudo_label@1: {params: {params.yaml: {seed: 5}}, outs: [{path: data/pseudo_labelled/round_1}]}}"
    Path("dvc.lock").write_text(lock)
    result = submit("{case}.nii.gz")
    assert result.exit_code == 1 and not Path("out").exists()
    assert "of another run: data/pseudo_labelled/round_1 (params.yaml: seed was 5, is 1); `dvc repro`" in result.stderr


@pytest.mark.unusual("Commands", "`submission` of masks whose two forms differ", "said, with the mask")
def test_what_was_not_followed_in_a_header_is_said(masks, scans):
    scans.edit(MASKS / "c1.nii.gz", qoffset_x=9.0)
    result = submit("{case}.nii.gz")
    assert result.exit_code == 0
    assert f"{MASKS}/c1.nii.gz: sform (code 1) and qform (code 1) differ" in result.stderr
    assert "c2.nii.gz: " not in result.stderr


def test_a_link_to_an_empty_folder_stays_a_link(masks, here):
    (here / "disk").mkdir()
    (here / "out").symlink_to("disk")
    assert submit("{case}.nii.gz").exit_code == 0
    assert (here / "out").is_symlink() and (here / "disk/c1.nii.gz").is_file()
