"""Locks that say who holds them: a file with an advisory lock on it, and in it the process, its host and command.

The system gives a lock back when its process ends, however that was. Where a file system knows no locks, or none across
hosts, the process that is named in the file, and the beat of the file's time, say whether somebody is there.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from gbaseg.errors import UserError
from gbaseg.runtime.ending import LAST_S, on_first_signal
from gbaseg.runtime.progress import log

# The holder touches its file so often; a file of another host that stays untouched for three beats is nobody's.
BEAT_S = 10.0
# Who comes while a holder has been asked to end waits for that; it may be asked a moment from now.
_SOON_S = 3.0
_A_DAY = 86_400.0


@dataclass(frozen=True)
class Holder:
    """Who has written itself into a lock."""

    pid: int
    host: str
    command: str
    since: str
    ending: bool = False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def is_here(self) -> bool:
        return self.host == platform.node()


def this_process() -> Holder:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return Holder(os.getpid(), platform.node(), command, datetime.now().astimezone().isoformat(timespec="seconds"))


class Lock:
    """A lock that is held.

    Args:
        path, descriptor: of its file.
        by_system: the file system knows of it. Else what is written in the file is all there is.

    Raises:
        OSError: that could not be written, and is all there is.
    """

    def __init__(self, path: Path, descriptor: int, by_system: bool = True) -> None:
        self.path, self._descriptor, self._holder = path, descriptor, this_process()
        try:
            self._write(self._holder)
        except OSError:
            if not by_system:
                os.close(descriptor)
                raise
            # A full disk: held all the same, though nobody learns by whom.

    @property
    def descriptor(self) -> int:
        """Of its file. A process that it is handed on to holds the lock as well, for as long as it lives."""
        return self._descriptor

    def is_held(self) -> bool:
        """Whether the file is still there: whoever empties the scratch folder by hand takes it away."""
        return _is_at(self._descriptor, self.path)

    def mark_ending(self) -> None:
        """Say that the holder has been asked to end."""
        with suppress(OSError):  # a full disk: who waits is refused a little sooner
            self._write(Holder(**{**asdict(self._holder), "ending": True}))

    def beat(self) -> None:
        """Say that the holder is there."""
        with suppress(OSError):  # a file system that is away for a while
            os.utime(self._descriptor)

    def release(self) -> None:
        """Remove the file and give the lock back."""
        if self.is_held():
            self.path.unlink()
        os.close(self._descriptor)

    def _write(self, holder: Holder) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(asdict(holder)).encode(), 0)


@contextmanager
def locked(path: Path, what: str) -> Iterator[Lock]:
    """Hold a lock; wait for a holder that is ending.

    Args:
        path: the lock's file; it is made, and removed in the end.
        what: that it stands for, in messages.

    Raises:
        UserError: another process holds it: which one, and where.
    """
    lock = wait_for(path, what)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_S):
            lock.beat()

    thread = threading.Thread(target=beat, name="beat of a lock", daemon=True)
    thread.start()
    forget = on_first_signal(lock.mark_ending)
    try:
        yield lock
    finally:
        forget()
        stop.set()
        thread.join()
        lock.release()


def try_lock(path: Path) -> Lock | Holder | None:
    """The lock, or who holds it (None: that could not be read)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locks = True
        except BlockingIOError:
            os.close(descriptor)
            return holder_of(path)
        except OSError:
            locks = False  # none on this file system
        alive = _is_alive_elsewhere(path, locks)
        if _is_at(descriptor, path) and not alive:
            return Lock(path, descriptor, locks)
        os.close(descriptor)
        if alive:
            return holder_of(path)
        # Else its holder removed the file meanwhile.


def holder_of(path: Path) -> Holder | None:
    """Who stands in a lock's file."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None  # gone, or not yet written


def is_held(path: Path, beats: bool = True) -> bool:
    """Whether somebody holds a lock, as far as a glance tells; changes nothing.

    Args:
        beats: a holder on another host is one that touches the file (`locked`), or was seen in the last minutes. False:
            one of the last day may be there, too.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    locks = True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        locks = False
    finally:
        os.close(descriptor)
    return _is_alive_elsewhere(path, locks, glance=30 * BEAT_S if beats else _A_DAY)


def wait_for(path: Path, what: str) -> Lock:
    """A lock; a holder that is ending is waited for, and a glance of somebody else, who has it for a moment.

    Raises:
        UserError: as `locked`.
    """
    started = time.monotonic()
    said = False
    while not isinstance(found := try_lock(path), Lock):
        waited = time.monotonic() - started
        ending = found is not None and found.ending
        if waited > (LAST_S + _SOON_S if ending else _SOON_S):
            if found is None:
                raise UserError(f"{what}: another process is at this; wait for it")
            raise UserError(
                f"{what}: {found} is at this since {found.since} ({found.command}); "
                f"wait for it, or end it: kill {found.pid}"
            )
        if ending and not said:
            log(f"{what}: {found} is ending; waiting for it")
            said = True
        time.sleep(0.2)
    return found


def _is_alive_elsewhere(path: Path, locks: bool, glance: float | None = None) -> bool:
    """Whether the holder in the file lives although the system gave us the lock: it does not know of all."""
    holder, before = holder_of(path), _touched(path)
    if holder is None:
        return False
    age_s = time.time() - before
    if holder.is_here():
        # The number may be another process's by now: whoever holds it beats, or has taken it within what is asked for.
        beats = age_s < (3 * BEAT_S if glance is None else glance)
        return not locks and beats and holder.pid != os.getpid() and _exists(holder.pid)
    if glance is not None or age_s > _A_DAY:
        return age_s < (glance or 0.0)
    log(f"{path}: {holder} was at this; waiting {3 * BEAT_S:.0f} s for a sign of it")
    time.sleep(3 * BEAT_S)
    return _touched(path) > before


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
