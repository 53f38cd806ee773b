"""gbaseg cost."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project in which nothing has run yet."""
    shutil.copyfile(PROJECT / "params.yaml", tmp_path / "params.yaml")
    shutil.copytree(PROJECT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_papers_run_on_a_machine_that_was_measured(folder):
    result = CliRunner().invoke(main, ["cost", "--preset", "crossmoda2022", "--gpu", "2-cores"])
    assert result.exit_code == 0, result.output
    assert "210 source, 210 target, 64 held-out cases of 120 slices" in result.output
    lines = {line.split("  ")[0]: line for line in result.output.splitlines()}
    assert {"train_translation", "train_singan", "train round_3", "all", "twice the folds"} <= lines.keys()


def test_a_size_can_be_said_and_has_to_be_where_none_is_known(folder):
    result = CliRunner().invoke(main, ["cost"])
    assert result.exit_code == 1
    assert "--copies, --held-out, --slices, --source, --target" in result.output
    size = ["--source", "24", "--target", "16", "--held-out", "14", "--slices", "24", "--copies", "8"]
    result = CliRunner().invoke(main, ["cost", *size])
    assert result.exit_code == 0 and "24 source, 16 target, 14 held-out" in result.output
    assert "gba" not in result.output


def test_unknown_names(folder):
    for options, message in ((["--gpu", "h900"], "not measured yet"), (["--preset", "paper"], "no preset 'paper'")):
        result = CliRunner().invoke(main, ["cost", *options])
        assert result.exit_code == 1 and message in result.output and "Traceback" not in result.output
