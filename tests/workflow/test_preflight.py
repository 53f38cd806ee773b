"""Room that a stage takes against what is there, before it begins."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from gbaseg import params
from gbaseg.cost.counted import DataSize
from gbaseg.cost.room import Machine, Room, count_room
from gbaseg.errors import UserError
from gbaseg.presets import preset_content
from gbaseg.runtime import device
from gbaseg.workflow import preflight
from gbaseg.workflow.preflight import check_room, demands_of

PRESETS = Path(__file__).parents[2] / "presets"
DEMONSTRATION = DataSize(source=24, target=16, held_out=14, slices=24, copies=8.0)
GIB = 2**30


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """100 GiB on every disk, 16 GiB of memory, unless a test says otherwise."""
    monkeypatch.chdir(tmp_path)
    free = {"disk": 100 * GIB, "memory": 16 * GIB}
    monkeypatch.setattr(preflight, "free_bytes", lambda _: free["disk"])
    monkeypatch.setattr(preflight, "free_memory", lambda: free["memory"])
    monkeypatch.setattr(preflight, "is_copied", lambda place, cache: True)
    return free


@pytest.fixture(scope="module")
def demonstration():
    return params.check(preset_content("default", PRESETS))


@pytest.fixture(scope="module")
def paper():
    return params.check(preset_content("crossmoda2022", PRESETS))


def wanted(settings, size, stage):
    return next(one for one in count_room(settings, size, preflight.this_machine(settings, size)) if one.stage == stage)


def test_the_demonstration_is_no_false_alarm(demonstration, machine, capsys):
    """On the smallest machine that the README names: 2 GiB of memory, and 1 GiB of disk."""
    machine |= {"disk": GIB, "memory": 6 * GIB}
    for room in count_room(demonstration, DEMONSTRATION, Machine(2, 2)):
        check_room(room.stage, demonstration, DEMONSTRATION, "folder")
    said = capsys.readouterr().err
    assert "WARNING" not in said
    assert "standardise: takes about " in said and "1.0 GiB free (.scratch)" in said and "6.0 GiB free (memory)" in said


@pytest.mark.unusual(
    "Interruptions",
    "a disk that has surely too little room for a stage",
    "exit 1 before it begins: bytes wanted and free",
)
def test_too_little_disk_stops_a_stage_before_it_begins(paper, machine):
    size = DataSize(210, 210, 64, 120, 288 / 210)
    room = wanted(paper, size, "translate")
    machine["disk"] = int(0.45 * room.outputs)
    with pytest.raises(UserError, match=r"translate: too little room:\n  - \.scratch: about 5\.5 GiB wanted, 2\.5 GiB"):
        check_room("translate", paper, size, "folder")


def test_near_the_limit_there_is_a_warning_and_no_fault(paper, machine, capsys):
    size = DataSize(210, 210, 64, 120, 288 / 210)
    room = wanted(paper, size, "translate")
    machine["disk"] = int(1.1 * room.outputs)
    check_room("translate", paper, size, "folder")
    assert "WARNING: translate: may run out of room" in capsys.readouterr().err


@pytest.mark.unusual(
    "Interruptions",
    "less than half of the memory that one process of a stage takes",
    "exit 1 before it begins: wanted and free",
)
def test_too_little_memory_stops_a_stage_before_it_begins(demonstration, machine):
    machine["memory"] = GIB // 5
    with pytest.raises(UserError, match=r"survey: too little room:\n  - memory: about .* wanted, 205 MiB free"):
        check_room("survey", demonstration, DEMONSTRATION, "folder")


@pytest.mark.unusual(
    "Interruptions", "memory for one process of a stage and not for one a core", "a warning that names GBASEG_WORKERS"
)
def test_memory_that_fewer_processes_fit_in_is_no_fault(paper, machine, monkeypatch, capsys):
    monkeypatch.setenv("GBASEG_WORKERS", "64")
    size = DataSize(210, 210, 64, 120, 288 / 210)
    machine["memory"] = wanted(paper, size, "translate").memory // 32
    check_room("translate", paper, size, "folder")
    assert "fewer at once take less: GBASEG_WORKERS=1" in capsys.readouterr().err
    monkeypatch.setenv("GBASEG_WORKERS", "1")
    machine["memory"] = int(1.1 * wanted(paper, size, "translate").memory)
    check_room("translate", paper, size, "folder")
    said = capsys.readouterr().err
    assert "may run out of room" in said and "fewer at once" not in said
    machine["memory"] //= 4
    with pytest.raises(UserError, match="even with GBASEG_WORKERS=1"):
        check_room("translate", paper, size, "folder")


def test_a_gpu_takes_cases_and_folds_one_by_one(demonstration, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(device, "choose_device", lambda: SimpleNamespace(type="cuda", index=0))
    monkeypatch.setattr(preflight.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(device, "_DRIVERS", (Path("/"),))
    found = preflight.this_machine(demonstration, DEMONSTRATION)
    assert (found.processes, found.networks_at_once, found.augmenters, found.cases_a_process) == (1, 1, 8, 8)
    monkeypatch.setattr(device, "_DRIVERS", ())
    monkeypatch.setattr(device, "_CARDS", Path("nowhere"))
    assert preflight.this_machine(demonstration, DEMONSTRATION).processes == 8


@pytest.mark.unusual(
    "Interruptions",
    "killed while a large scratch folder is removed",
    "the next run clears it first",
)
def test_what_killed_runs_left_is_cleared_before_room_is_looked_at(paper, machine, monkeypatch):
    size = DataSize(210, 210, 64, 120, 288 / 210)
    left = Path(".scratch/.removed-1-2-translate")
    left.mkdir(parents=True)
    monkeypatch.setattr(preflight, "free_bytes", lambda _: 0 if left.exists() else 100 * GIB)
    check_room("translate", paper, size, "folder")
    assert not left.exists()


def test_work_that_is_put_aside_needs_no_room_again(paper, machine):
    size = DataSize(210, 210, 64, 120, 288 / 210)
    machine["disk"] = 0
    Path(".scratch/finished-translate-ab/work").mkdir(parents=True)
    with Path(".scratch/finished-translate-ab/work/checkpoint").open("wb") as stream:
        stream.truncate(int(wanted(paper, size, "translate").outputs) + 1)
    check_room("translate", paper, size, "translate-ab")
    with pytest.raises(UserError, match="too little room"):
        check_room("translate", paper, size, "translate-cd")


def test_the_first_stage_says_what_the_whole_run_takes(paper, machine, capsys):
    machine["disk"] = 60 * GIB
    check_room("standardise", paper, DataSize(210, 210, 64, 120, 0.0), "standardise", 512.0 * 512 * 120)
    said = capsys.readouterr().err
    assert "all stages take about " in said and "WARNING: all stages: may run out of room" in said


def test_what_the_store_may_have_already_is_no_fault(machine):
    [disk, _] = demands_of(Room("a", outputs=GIB, store=90 * GIB))
    assert (disk.wanted, disk.surely) == (91 * GIB, GIB)


def test_what_an_earlier_try_wrote_needs_no_room_again(machine):
    [disk, _] = demands_of(Room("a", outputs=GIB, scratch=3 * GIB), done=2.5 * GIB)
    assert disk.wanted == 1.5 * GIB


def test_each_disk_is_looked_at_by_itself(monkeypatch, machine):
    Path(".dvc").mkdir()
    devices = {".scratch": 1, "data": 2, ".dvc/cache": 3}
    monkeypatch.setattr(preflight, "device_of", lambda path: devices[str(path)])
    disks = demands_of(Room("a", outputs=2, scratch=1, store=4))[:-1]
    assert [(one.place, one.wanted) for one in disks] == [
        (".scratch", 7), ("data/ and models/", 2), ("DVC's cache", 2)
    ]  # fmt: skip
    devices[".dvc/cache"] = 2
    assert [(one.place, one.wanted) for one in demands_of(Room("a", outputs=2))[:-1]] == [
        (".scratch", 2), ("data/ and models/, DVC's cache", 4)
    ]  # fmt: skip


def test_shared_memory_is_looked_at_where_it_is_wanted(machine):
    assert [one.place for one in demands_of(Room("a", shared=GIB))][-1] == "/dev/shm"
    assert [one.place for one in demands_of(Room("a"))][-1] == "memory"


def test_a_run_with_other_settings_takes_other_room(demonstration):
    more = replace(DEMONSTRATION, source=48)
    assert (
        wanted(demonstration, more, "translate").outputs
        == 2 * wanted(demonstration, DEMONSTRATION, "translate").outputs
    )
