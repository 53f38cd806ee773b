"""The log of what stages took."""

import json
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
