"""JSON that is empty, torn or something else: the file is named, and what brings it back."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.errors import UserError
from gbaseg.runtime.json_files import parse_json, read_json

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(
            b"", "empty",
            marks=pytest.mark.unusual("Interruptions", "an empty JSON file", "file named; `dvc repro` makes it anew"),
        ),
        pytest.param(
            b'{"VS": {"dice": ', "no whole JSON: line 1",
            marks=pytest.mark.unusual("Interruptions", "JSON that breaks off", "file and line named, and the remedy"),
        ),
        pytest.param(
            b"\0" * 40, "no whole JSON",
            marks=pytest.mark.unusual("Interruptions", "JSON of zero bytes after a power cut", "file named"),
        ),
        pytest.param(
            b'{"centre": "\xfc"}', "UTF-8",
            marks=pytest.mark.unusual("Interruptions", "JSON in latin-1", "file named, UTF-8 wanted"),
        ),
        pytest.param(
            b"[]", "found list; an object is wanted",
            marks=pytest.mark.unusual("Interruptions", "a list where JSON has to be an object", "file and found named"),
        ),
        pytest.param(
            b"{}", "no agreement in it",
            marks=pytest.mark.unusual("Interruptions", "metrics without a key that is read", "file and key named"),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path, content, found):
    path = tmp_path / "round_0.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_json(path, "agreement")
    said = str(caught.value)
    assert str(path) in said and found in said and "dvc repro" in said and "dvc checkout" in said
    assert len(said.splitlines()) == 1


def test_what_is_right_is_read(tmp_path):
    assert parse_json("[1, 2]", "x", kind=list) == [1, 2]
    assert parse_json(b'{"a": "\xc3\xbc"}', "x", ("a",)) == {"a": "ü"}
    with pytest.raises(UserError, match="not there"):
        read_json(tmp_path / "gone.json")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The committed parameters and metrics."""
    shutil.copyfile(PROJECT / "presets/default.yaml", tmp_path / "params.yaml")
    shutil.copytree(PROJECT / "metrics", tmp_path / "metrics")
    for name in ("data/standard", "data/translated", "data/pseudo_labelled/round_1", "models/translation"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models/translation/mode.json").write_text('{"mode": "none"}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", [["show"], ["report"]])
@pytest.mark.parametrize("content", ["", '{"VS": '])
def test_commands_name_the_file(folder, command, content):
    (folder / "metrics/round_0.json").write_text(content)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.output.startswith("gbaseg: metrics/round_0.json: ")


@pytest.mark.unusual("Interruptions", "metrics/leaderboard.json that is torn, or of other entries", "file named")
@pytest.mark.parametrize("content", ["", "[{", '[{"round": "round_0"}]', "{}"])
def test_a_damaged_leaderboard_is_named(folder, content):
    (folder / "metrics/leaderboard.json").write_text(content)
    result = CliRunner().invoke(main, ["show"])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert "metrics/leaderboard.json: " in result.output


@pytest.mark.unusual("Interruptions", "a table of scores that is empty", "file named, `dvc checkout`")
def test_an_empty_table_of_scores_is_named(tmp_path):
    from gbaseg.evaluation.summary import read_scores

    (tmp_path / "round_0.csv").touch()
    with pytest.raises(UserError, match=r"round_0\.csv: .*dvc checkout"):
        read_scores(tmp_path / "round_0.csv")


@pytest.mark.unusual("Interruptions", "a case's record without its fields", "file named, `dvc checkout`")
def test_a_record_that_is_none_is_named(tmp_path):
    from gbaseg.workflow.context import read_record

    (tmp_path / "case.json").write_text(json.dumps({"raw": 1}))
    with pytest.raises(UserError, match=r"case\.json: .*dvc checkout"):
        read_record(tmp_path / "case.json")
