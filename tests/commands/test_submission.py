"""A leaderboard's answer, entered back; a submission's mistakes. The masks themselves: tests/pipeline."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands.submission import LEADERBOARD, entries

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


def test_a_dice_of_80_is_refused():
    assert gbaseg("leaderboard", "round_1", "--structure", "VS", "--dice", "80").exit_code == 1


def test_a_submission_needs_a_name_with_the_case_an_empty_folder_and_masks(here):
    assert "expected a file name with {case} in it" in gbaseg("submission", "--out", "m", "--name", "a.nii.gz").stderr
    (here / "full").mkdir()
    (here / "full/file").touch()
    assert "full: has files in it" in gbaseg("submission", "--out", "full").stderr
    assert (
        "not there yet: data/standard, data/pseudo_labelled/round_1/scan" in gbaseg("submission", "--out", "m").stderr
    )
    assert not (here / "m").exists()
