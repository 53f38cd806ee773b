"""Who holds a lock is said; nobody waits for a process that has ended."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from dataclasses import asdict

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime import locks
from gbaseg.runtime.locks import Holder, Lock, holder_of, is_held, locked, try_lock, wait_for

# A process that holds a lock until it is killed.
HOLDER = """
import sys, time
from pathlib import Path
from gbaseg.runtime.locks import locked
with locked(Path(sys.argv[1]), "stage"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(locks, "_SOON_S", 0.1)
    monkeypatch.setattr(locks, "BEAT_S", 0.05)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "x.lock"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def written(path, **changes):
    """As a process has left it that was killed."""
    stale = Holder(pid=2**22 + 1, host=platform.node(), command="gbaseg survey", since="2026-01-01T00:00:00+00:00")
    path.write_text(json.dumps({**asdict(stale), **changes}))


@pytest.mark.unusual("Interruptions", "a stage that another process is at", "process N on HOST is at this since ...")
def test_who_holds_it_is_said_and_when_it_is_killed_the_lock_is_free(holder, tmp_path):
    path = tmp_path / "x.lock"
    assert is_held(path) and not is_held(tmp_path / "none.lock")
    assert holder_of(path).pid == holder.pid
    match = rf"survey: process {holder.pid} on {platform.node()} is at this since .*kill {holder.pid}"
    with pytest.raises(UserError, match=match), locked(path, "survey"):
        pass
    holder.kill()
    holder.wait()
    assert not is_held(path)
    with locked(path, "survey"):
        assert holder_of(path).pid == os.getpid()
    assert not path.exists()


def test_a_holder_that_is_ending_is_waited_for(holder, tmp_path):
    path = tmp_path / "x.lock"
    path.write_text(json.dumps({**asdict(holder_of(path)), "ending": True}))
    subprocess.Popen(["sh", "-c", f"sleep 1; kill -9 {holder.pid}"])
    started = time.monotonic()
    with locked(path, "survey"):
        assert time.monotonic() - started > 0.8


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": 1}'])
@pytest.mark.unusual("Interruptions", "a torn lock file of a killed process", "taken: it blocks nobody")
def test_a_torn_lock_of_nobody_is_free(tmp_path, content):
    path = tmp_path / "x.lock"
    path.write_text(content)
    assert not is_held(path)
    with locked(path, "survey"):
        assert holder_of(path).pid == os.getpid()


def test_a_lock_of_a_dead_process_is_free(tmp_path):
    written(tmp_path / "x.lock")
    lock = try_lock(tmp_path / "x.lock")
    assert isinstance(lock, Lock)
    lock.release()


@pytest.mark.unusual(
    "Interruptions", "a lock of a process on another host, over NFS without locks", "its beat says whether it is there"
)
def test_a_process_on_another_host_is_believed_as_long_as_it_beats(tmp_path):
    path = tmp_path / "x.lock"
    written(path, host="node-7")
    assert is_held(path)
    lock = try_lock(path)
    assert isinstance(lock, Lock), "it does not beat"
    lock.release()
    written(path, host="node-7")
    beating = subprocess.Popen(["sh", "-c", f"while sleep 0.02; do touch {path}; done"])
    try:
        assert try_lock(path).host == "node-7"
    finally:
        beating.kill()
        beating.wait()
    os.utime(path, (0, 0))
    assert not is_held(path)


@pytest.mark.unusual("Interruptions", "a file system without locks", "the process named in the lock is looked for")
def test_without_locks_of_the_file_system_the_named_process_counts(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    path = tmp_path / "x.lock"
    written(path, pid=os.getppid())
    assert is_held(path)
    assert try_lock(path).pid == os.getppid()
    os.utime(path, (time.time() - 10,) * 2)
    assert not is_held(path) and is_held(path, beats=False)
    lock = try_lock(path)
    assert isinstance(lock, Lock), "another process has that number by now: it does not beat"
    lock.release()
    written(path)
    lock = try_lock(path)
    assert isinstance(lock, Lock)
    lock.release()
    assert not path.exists()


def test_a_lock_that_was_removed_by_hand_is_no_longer_held(tmp_path):
    with locked(tmp_path / "x.lock", "survey") as lock:
        assert lock.is_held()
        lock.path.unlink()
        assert not lock.is_held()
        with locked(tmp_path / "x.lock", "survey") as other:
            assert other.is_held() and not lock.is_held()
    assert not lock.path.exists()


@pytest.mark.unusual("Interruptions", "a glance at a lock while it is made", "waited for: it lasts a moment")
def test_a_glance_at_a_new_lock_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_SOON_S", 3.0)
    glance = os.open(tmp_path / "x.lock", os.O_RDWR | os.O_CREAT)
    locks.fcntl.flock(glance, locks.fcntl.LOCK_EX)
    threading.Timer(0.3, os.close, (glance,)).start()
    lock = wait_for(tmp_path / "x.lock", "a folder")
    assert lock.is_held()
    lock.release()


def full(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.unusual("Interruptions", "no room for a lock's file", "held all the same, by nobody that is named")
def test_a_full_disk_takes_no_lock_away(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.os, "pwrite", full)
    lock = try_lock(tmp_path / "x.lock")
    assert isinstance(lock, Lock) and is_held(tmp_path / "x.lock") and try_lock(tmp_path / "x.lock") is None
    lock.release()


def test_without_locks_of_the_file_system_a_full_disk_is_said(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.os, "pwrite", full)
    monkeypatch.setattr(locks.fcntl, "flock", none)
    with pytest.raises(OSError, match="No space"):
        try_lock(tmp_path / "x.lock")
