"""gbaseg scratch."""

import os
import tempfile
import time

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands.scratch import age_of, size_text
from gbaseg.runtime.leftovers import lock_of
from gbaseg.runtime.locks import try_lock


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    for name, days in (("survey-ab", 9), ("train_singan-cd", 1)):
        work = tmp_path / ".scratch" / name / "work"
        work.mkdir(parents=True)
        (work / "checkpoint").write_bytes(b"x" * 2048)
        os.utime(work.parent, (time.time() - days * 86_400,) * 2)
    return tmp_path


def scratch(*options):
    result = CliRunner().invoke(main, ["scratch", *options])
    return result.exit_code, result.output


def test_it_lists_and_removes_nothing(folder):
    lock = try_lock(lock_of(folder / ".scratch/train_singan-cd"))
    code, said = scratch()
    lock.release()
    lines = {line.split()[2]: line for line in said.splitlines() if line.startswith("unfinished")}
    assert code == 0
    assert "2 KiB" in lines[".scratch/survey-ab"] and "9 d" in lines[".scratch/survey-ab"]
    assert lines[".scratch/survey-ab"].endswith("nobody")
    assert f"process {os.getpid()} on " in lines[".scratch/train_singan-cd"]
    assert "2 listed, 4 KiB, somebody is at 1" in said
    code, said = scratch("--older-than", "7d")
    assert "survey-ab" in said and "train_singan-cd" not in said
    assert {path.name for path in (folder / ".scratch").iterdir()} == {"survey-ab", "train_singan-cd"}


def test_it_removes_by_age(folder):
    code, said = scratch("--older-than", "7d", "--remove")
    assert (code, said.splitlines()[-1]) == (0, "1 removed, 2 KiB")
    assert {path.name for path in (folder / ".scratch").iterdir()} == {"train_singan-cd"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(
            ["--remove"], "say from which age on",
            marks=pytest.mark.unusual("Commands", "gbaseg scratch --remove without an age", "say from which age on"),
        ),
        pytest.param(
            ["--older-than", "soon"], "not an age; allowed",
            marks=pytest.mark.unusual("Commands", "gbaseg scratch --older-than soon", "not an age; allowed: ... 7d"),
        ),
    ],
)  # fmt: skip
def test_a_call_that_is_not_clear_removes_nothing(folder, options, said):
    code, output = scratch(*options)
    assert code == 1 and said in output
    assert len(list((folder / ".scratch").iterdir())) == 2


def test_without_a_scratch_folder_there_is_nothing(folder, monkeypatch):
    monkeypatch.chdir(folder / "tmp")
    code, said = scratch()
    assert code == 0 and "0 listed, 0 B" in said


def test_ages_and_sizes():
    assert [age_of(text) for text in ("30m", "12h", "1.5d", "2w")] == [1800, 43_200, 129_600, 1_209_600]
    assert [size_text(size) for size in (3, 2048, 5 * 2**20, 3 * 2**30)] == ["3 B", "2 KiB", "5 MiB", "3.0 GiB"]
