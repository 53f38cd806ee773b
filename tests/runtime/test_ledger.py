"""The log of what stages took."""

import json
import os
import resource
import signal
from functools import partial

import pytest

from gbaseg.runtime import ledger


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ledger, "_COUNTERS", tmp_path / "powercap")


def counter(tmp_path, now, largest=1_000_000_000):
    folder = tmp_path / "powercap" / "intel-rapl:0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(str(now))
    (folder / "max_energy_range_uj").write_text(str(largest))


def test_a_stage_that_succeeds_leaves_a_line_and_one_that_fails_none():
    with ledger.entry("translate", lambda: {"device": "cpu"}):
        pass
    with pytest.raises(ValueError, match="no"), ledger.entry("augment", dict):
        raise ValueError("no")
    [line] = [json.loads(text) for text in ledger.LEDGER.read_text().splitlines()]
    assert (line["stage"], line["device"], line["joules"]) == ("translate", "cpu", None)
    assert line["seconds"] >= 0


def test_the_last_line_of_a_stage_counts():
    for name, device in (("a", "cpu"), ("b", "cpu"), ("a", "cuda:0")):
        with ledger.entry(name, partial(dict, device=device)):
            pass
    assert [(name, line["device"]) for name, line in ledger.read_ledger().items()] == [("b", "cpu"), ("a", "cuda:0")]


def test_energy_is_read_where_the_machine_tells_and_survives_the_counters_end(tmp_path):
    counter(tmp_path, 999_000_000)
    with ledger.entry("a", dict):
        counter(tmp_path, 4_000_000)
    assert ledger.read_ledger()["a"]["joules"] == 5.0


def test_what_is_said_about_a_stage_is_asked_at_its_end_and_takes_none_of_its_time(tmp_path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(ledger.time, "monotonic", lambda: now)

    def about():
        nonlocal now
        now = 100.0
        return {"written": (tmp_path / "out").read_text()}

    with ledger.entry("a", about):
        now = 5.0
        (tmp_path / "out").write_text("whole")
    assert [(line["seconds"], line["written"]) for line in ledger.read_lines()] == [(5.0, "whole")]


def test_no_ledger():
    assert ledger.read_ledger() == {} and ledger.read_lines() == []


def append(name, letters=0):
    with ledger.entry(name, lambda: {"letters": "x" * letters}):
        pass


@pytest.mark.unusual(
    "Interruptions", "a torn last line of logs/stages.jsonl", "passed over; the next line begins on a new one"
)
@pytest.mark.parametrize("torn", [b'{"stage": "b", "sec', b"\0\0\0", b'"b"', b"[1]", b"{}", b"\xff"])
def test_a_torn_line_is_passed_over_and_closed(torn):
    append("a")
    with ledger.LEDGER.open("ab") as stream:
        stream.write(torn)
    assert [line["stage"] for line in ledger.read_lines()] == ["a"]
    append("c")
    assert [line["stage"] for line in ledger.read_lines()] == ["a", "c"]
    assert torn in ledger.LEDGER.read_bytes().split(b"\n")


def test_lines_of_two_runs_at_once_never_mix(tmp_path):
    """Longer than a pipe's or a page's piece, so that two plain writers would."""
    pids = []
    for writer in range(4):
        pid = os.fork()
        if pid == 0:
            for _ in range(20):
                append(f"stage_{writer}", 30_000)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    names = [json.loads(text)["stage"] for text in ledger.LEDGER.read_text().splitlines()]
    assert sorted(names) == sorted(f"stage_{writer}" for writer in range(4) for _ in range(20))


@pytest.mark.unusual(
    "Interruptions", "no room for the line in logs/stages.jsonl", "a warning: the stage's results stand, nothing torn"
)
def test_a_full_disk_costs_the_line_and_not_the_stage(capsys):
    append("a")
    before = ledger.LEDGER.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        append("b", 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert ledger.LEDGER.read_bytes() == before
    assert "stages.jsonl" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_written_costs_the_line_and_not_the_stage(capsys):
    ledger.LEDGER.mkdir(parents=True)
    append("a")
    assert "what a took is not noted" in capsys.readouterr().err


@pytest.mark.unusual("Interruptions", "logs is a file", "a warning: the stage's results stand")
def test_a_file_where_the_folder_should_be_costs_the_line_and_not_the_stage(capsys):
    ledger.LEDGER.parent.touch()
    append("a")
    assert "what a took is not noted" in capsys.readouterr().err
