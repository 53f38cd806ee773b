"""Notes of a DVC command count as long as it lives: a zombie does not, nor another process under its number."""

import json
import os
import subprocess
import time

import pytest

from gbaseg.runtime import dvc_notes


@pytest.fixture
def zombie():
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
    yield process.pid
    process.wait()


def note(folder, written=(), read=()):
    path = folder / "rwlock"
    info = {pid: {"pid": pid, "cmd": f"dvc repro {pid}"} for pid in (*written, *read)}
    path.write_text(
        json.dumps({"write": {f"w{pid}": info[pid] for pid in written}, "read": {"r": [*map(info.get, read)]}})
    )
    return path


@pytest.mark.unusual(
    "Interruptions", "a killed dvc that nobody reaps, or whose number another process has, as in containers", "goes on"
)
def test_notes_of_ended_commands_go(tmp_path, zombie):
    path = note(tmp_path, written=[zombie])
    assert dvc_notes.at_work(path) == {}
    dvc_notes.mend(tmp_path)
    assert not path.exists()
    path = note(tmp_path, read=[os.getpid()])
    os.utime(path, (0, time.time() - 7 * 86_400))  # before this process was there
    dvc_notes.mend(tmp_path)
    assert not path.exists()


def test_those_of_living_ones_stay(tmp_path, zombie):
    path = note(tmp_path, written=[zombie, os.getpid()], read=[os.getppid()])
    before = path.read_bytes()
    assert dvc_notes.at_work(path).keys() == {os.getpid(), os.getppid()}
    dvc_notes.mend(tmp_path)
    assert path.read_bytes() == before


def test_one_that_is_ending_is_waited_for(tmp_path):
    with subprocess.Popen(["sleep", "0.5"]) as process:
        path = note(tmp_path, written=[process.pid])
        dvc_notes.mend(tmp_path, wait_s=30.0)
        assert not path.exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"write": []}', '{"read": {"a": [1]}}', '{"write": {"a": {"pid": "b"}}}']
)
def test_what_dvc_does_not_write_is_torn(tmp_path, capsys, content):
    path = tmp_path / "rwlock"
    path.write_text(content)
    with pytest.raises(ValueError):
        dvc_notes.at_work(path)
    dvc_notes.mend(tmp_path)
    assert not path.exists() and "torn" in capsys.readouterr().err


def test_without_notes_there_is_nothing_to_mend(tmp_path):
    dvc_notes.mend(tmp_path)
    assert not list(tmp_path.iterdir()) and dvc_notes.at_work(tmp_path / "rwlock") == {}
