"""Outputs appear whole or not at all; interrupted work is found again by the same fingerprint only."""

import errno
import shutil
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime import leftovers
from gbaseg.runtime import scratch as scratch_module
from gbaseg.runtime.scratch import ROOT, atomic_outputs, fingerprint
from gbaseg.runtime.whole import replace, written_whole


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_outputs_appear_together_and_scratch_goes(tmp_path):
    with atomic_outputs("stage", "data/a", "metrics/b.json") as scratch:
        scratch.output("data/a").mkdir()
        (scratch.output("data/a") / "x").write_text("1")
        scratch.output("metrics/b.json").write_text("{}")
        assert not (tmp_path / "data").exists()
    assert (tmp_path / "data" / "a" / "x").read_text() == "1"
    assert (tmp_path / "metrics" / "b.json").read_text() == "{}"
    assert not (ROOT / "stage").exists()


def test_a_failed_stage_leaves_no_output_and_keeps_its_work(tmp_path):
    with pytest.raises(KeyError), atomic_outputs("stage", "out") as scratch:
        scratch.output("out").write_text("half")
        (scratch.work / "checkpoint").write_text("epoch 3")
        raise KeyError
    assert not (tmp_path / "out").exists()
    with atomic_outputs("stage", "out") as scratch:
        assert (scratch.work / "checkpoint").read_text() == "epoch 3"
        assert scratch.found_done == ["resumed"]
        assert not scratch.output("out").exists()
        scratch.output("out").write_text("whole")
    with atomic_outputs("stage", "out", keep_work=False) as scratch:
        assert not list(scratch.work.iterdir()) and scratch.found_done == []
        scratch.output("out").write_text("whole")


def test_a_stage_that_forgets_an_output_fails(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError, match="did not write b"), atomic_outputs("stage", "a", "b") as scratch:
        scratch.output("a").write_text("new")
    assert (tmp_path / "a").read_text() == "old"


def test_an_output_replaces_what_stood_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with atomic_outputs("stage", "out") as scratch:
        scratch.output("out").mkdir()
    assert list((tmp_path / "out").iterdir()) == []


def test_the_fingerprint_follows_settings_and_content(tmp_path):
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "scan"
    file.write_text("a")
    first = fingerprint("s", {"epochs": 3}, ["in"])
    assert fingerprint("s", {"epochs": 3}, ["in"]) == first
    assert fingerprint("s", {"epochs": 4}, ["in"]) != first
    assert fingerprint("t", {"epochs": 3}, ["in"]) != first
    file.write_text("b")
    assert fingerprint("s", {"epochs": 3}, ["in"]) != first
    file.write_text("a")
    file.rename(tmp_path / "in" / "other")
    assert fingerprint("s", {"epochs": 3}, ["in"]) != first


def test_a_file_goes_to_another_file_system_whole(tmp_path, monkeypatch):
    """Renaming does not reach there: the copy is renamed beside its place."""
    source, destination = tmp_path / "a" / "x.txt", tmp_path / "b" / "x.txt"
    source.parent.mkdir()
    source.write_text("whole")
    rename, refused = Path.replace, []

    def across(self, target):
        if self == source:
            refused.append(target)
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        assert self.name == ".partial-x.txt" and self.read_text() == "whole"
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", across)
    replace(source, destination)
    assert destination.read_text() == "whole"
    assert refused == [destination]
    assert [path.name for path in destination.parent.iterdir()] == ["x.txt"]


def test_a_file_written_in_part_does_not_appear(tmp_path):
    with pytest.raises(ValueError, match="no"), written_whole(tmp_path / "x.csv") as partial:
        partial.write_text("half")
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left_over", ["folder", "file"])
def test_what_a_broken_off_move_left_is_not_in_the_next(tmp_path, monkeypatch, left_over):
    source, destination = tmp_path / "a" / "model", tmp_path / "b" / "model"
    source.mkdir(parents=True)
    (source / "fold_0").write_text("whole")
    partial = destination.with_name(".partial-model")
    partial.parent.mkdir()
    if left_over == "folder":
        partial.mkdir()
        (partial / "fold_0").write_text("cut o")
    else:
        partial.write_text("cut o")
    rename = Path.replace

    def across(self, target):
        if self == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", across)
    replace(source, destination)
    assert [path.relative_to(destination).as_posix() for path in destination.rglob("*")] == ["fold_0"]
    assert (destination / "fold_0").read_text() == "whole"


class Killed(BaseException):
    pass


@pytest.mark.unusual(
    "Interruptions", "a kill while a finished stage removes its scratch folder", "the stage runs again from nothing"
)
def test_a_scratch_folder_is_whole_or_gone_when_its_removal_is_broken_off(monkeypatch):
    def broken_off(path, **_):
        next(Path(path).rglob("a")).unlink()
        raise Killed

    def run(work_found):
        with atomic_outputs("survey-1", "out") as scratch:
            assert {path.name for path in scratch.work.iterdir()} == work_found
            for name in ("a", "b"):
                (scratch.work / name).touch()
            scratch.output("out").write_text("done")

    with monkeypatch.context() as patched:
        patched.setattr(leftovers.shutil, "rmtree", broken_off)
        with pytest.raises(Killed):
            run(set())
    assert list(ROOT.glob(".removed-*"))
    run(set())
    assert list(ROOT.iterdir()) == []


@pytest.mark.unusual(
    "Interruptions", "a kill between two outputs of a stage", "its work is found, both are put out again"
)
def test_a_kill_between_two_outputs_loses_nothing(tmp_path, monkeypatch):
    moved = []

    def killed_at_the_second(source, destination):
        if moved:
            raise Killed
        moved.append(destination)
        replace(source, destination)

    def run():
        with atomic_outputs("survey-1", "a", "b") as scratch:
            trained = scratch.work / "trained"
            before = trained.is_file()
            trained.touch()
            for name in ("a", "b"):
                scratch.output(name).mkdir()
            return before

    with monkeypatch.context() as patched:
        patched.setattr(scratch_module, "replace", killed_at_the_second)
        with pytest.raises(Killed):
            run()
    assert (tmp_path / "a").is_dir() and not (tmp_path / "b").exists()
    assert run() is True
    assert (tmp_path / "a").is_dir() and (tmp_path / "b").is_dir()


@pytest.mark.unusual("Interruptions", "make clean while a stage runs", "the stage puts nothing out, exit 1")
def test_nothing_is_put_out_when_the_scratch_folder_was_emptied_meanwhile(tmp_path):
    with pytest.raises(UserError, match="emptied while survey"), atomic_outputs("survey", "out") as scratch:
        shutil.rmtree(ROOT)
        scratch.output("out").mkdir(parents=True)
    assert not (tmp_path / "out").exists()


def test_what_killed_runs_left_beside_an_output_goes(tmp_path):
    (tmp_path / ".partial-out").mkdir()
    (tmp_path / ".removed-12-34-out").mkdir()
    (tmp_path / ".removed-12-34-other").mkdir()
    with atomic_outputs("survey", "out") as scratch:
        scratch.output("out").touch()
    assert {path.name for path in tmp_path.iterdir()} == {".removed-12-34-other", ".scratch", "out"}
