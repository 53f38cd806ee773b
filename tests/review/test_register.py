"""Decisions on their way to the disk: none is lost, none overwritten, and the file is whole at every moment."""

import os
import threading
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.review import register as module
from gbaseg.review.decisions import Decision, read_decisions
from gbaseg.review.register import Register, Stale

NO = Decision("rejected", "0123456789abcdef")
YES = Decision("accepted", "0123456789abcdef", changes=False)


@pytest.fixture
def register(tmp_path):
    return Register(tmp_path / "review.yaml", "round_0", ("survey", "round_0", "round_1"))


def test_a_change_is_in_the_file_with_a_line_for_every_round(register):
    before, mark = register.change(register.read()[1], "a", NO)
    assert before is None
    found = read_decisions(register.path)
    assert (found.revision, found.of("round_0"), list(found.rounds)) == (1, {"a": NO}, ["survey", "round_0", "round_1"])
    assert register.change(mark, "a", None)[0] == NO
    assert read_decisions(register.path).of("round_0") == {}


def test_other_rounds_stay_as_they_are(register):
    register.change(register.read()[1], "a", NO)
    other = Register(register.path, "round_1")
    other.change(other.read()[1], "a", YES)
    assert dict(read_decisions(register.path).rounds) == {"survey": {}, "round_0": {"a": NO}, "round_1": {"a": YES}}


def test_who_has_not_seen_the_last_change_is_refused(register):
    mark = register.read()[1]
    register.change(mark, "a", NO)
    with pytest.raises(Stale):
        register.change(mark, "b", NO)
    assert set(read_decisions(register.path).of("round_0")) == {"a"}


def test_a_change_by_hand_or_by_git_is_seen_though_it_raises_no_revision(register):
    _, mark = register.change(register.read()[1], "a", NO)
    register.path.write_text(register.path.read_text().replace('"a"', '"c"'))
    with pytest.raises(Stale):
        register.change(mark, "b", NO)
    register.change(register.read()[1], "b", NO)
    assert set(read_decisions(register.path).of("round_0")) == {"b", "c"}
    register.path.write_text("<<<<<<< HEAD\nrevision: 1\n")
    with pytest.raises(UserError, match="not valid YAML"):
        register.read()


def test_a_thousand_changes_from_eight_threads_lose_none(register, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the disk's time, which proves nothing here
    done = []

    def work(worker):
        for number in range(125):
            while True:
                try:
                    register.change(register.read()[1], f"{worker}-{number % 5}", NO if number % 2 else YES)
                    break
                except Stale:
                    continue
            done.append((worker, number))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_decisions(register.path)
    assert (len(done), found.revision, len(found.of("round_0"))) == (1000, 1000, 40)
    assert all(one == (NO if int(case[-1]) % 2 else YES) for case, one in found.of("round_0").items())
    assert [path.name for path in register.path.parent.iterdir()] == ["review.yaml"]


def test_it_is_on_the_disk_before_it_takes_its_place(register, monkeypatch):
    """File, name, folder: in this order a machine that stops leaves the old file or the new one."""
    told = []
    real_fsync, real_replace = os.fsync, Path.replace

    def name_of(descriptor):
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name

    monkeypatch.setattr(os, "fsync", lambda one: (told.append(("disk", name_of(one))), real_fsync(one)))
    monkeypatch.setattr(
        Path, "replace", lambda one, to: (told.append(("name", Path(to).name)), real_replace(one, to))[1]
    )
    register.change(register.read()[1], "a", NO)
    assert told == [("disk", ".partial-review.yaml"), ("name", "review.yaml"), ("disk", register.path.parent.name)]


def test_a_full_disk_leaves_the_file_as_it_was(register, monkeypatch):
    _, mark = register.change(register.read()[1], "a", NO)
    before = register.path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        register.change(mark, "b", NO)
    assert register.path.read_bytes() == before
    assert register.read()[1] == mark
    assert [path.name for path in register.path.parent.iterdir()] == ["review.yaml"]
