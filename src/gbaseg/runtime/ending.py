"""How a process ends when it is asked to: SIGTERM (a batch system), SIGINT (Ctrl-C), SIGHUP (a closed terminal).

The first of them raises `Ended` where the process is, so that everything is put away on the way out, and the exit code
is 128 + its number. Work that is near a checkpoint may put the end off (`put_off`). Whatever happens, the process and
its children are gone `LAST_S` later: batch systems kill after 30 s. A job of SLURM is told ahead of its time limit, by
SIGUSR1, and has more time (`allow`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, FunctionType
from typing import NoReturn

# How long an end is put off for a checkpoint; how long a stage waits for its workers; when all is over.
GRACE_S, WORKERS_S, LAST_S = 15.0, 18.0, 25.0
ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
# Those that `on_signals` hears; SIGUSR1 is heard in jobs alone.
_USUAL = ASKING[:3]
# A second Ctrl-C after so long is meant.
_AGAIN_S = 1.0
# Of this process, as early as anything is known of it.
STARTED_BY = os.getppid()
# Of Python's own, what takes and gives back locks around its waiting: an exception that comes up inside leaves a lock
# that is given back twice, or never.
_BETWEEN = {
    method.__code__
    for name, method in vars(threading.Condition).items()
    if isinstance(method, FunctionType) and name not in ("wait", "wait_for")
}


class Ended(SystemExit):
    """The process was asked to end. No `Exception`: nobody takes it for a failure of the work."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.status = 128 + number
        self.signal = signal.Signals(number).name
        # What becomes of the work; a stage knows.
        self.advice = ""

    def __str__(self) -> str:
        return f"ended by {self.signal}{self.advice and '; '}{self.advice}"


@dataclass
class _State:
    """Of this process: what it was asked, when, and whether `Ended` was raised for it."""

    number: int | None = None
    since: float = 0.0
    put_off: int = 0
    raised: bool = False
    reminded: bool = False
    # Told at once of the first signal, before anything is put away.
    told: list[Callable[[], None]] = field(default_factory=list)
    # Where the system writes the number of a signal.
    bell: int | None = None
    # Signal -> how long an end is put off, and when all is over, where that is not as for the others.
    times: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def grace_s(self) -> float:
        return self.times.get(self.number or 0, (GRACE_S, LAST_S))[0]

    def is_due(self, now: float) -> bool:
        """Whether `Ended` is to be raised."""
        asked = self.number is not None and not self.raised
        return asked and (not self.put_off or now - self.since > self.grace_s)


_state = _State()


@contextmanager
def on_signals() -> Iterator[None]:
    """Inside, the signals raise `Ended` in the main thread. What the caller ignores (nohup) stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows handlers in the main thread alone
        return
    before = {number: signal.getsignal(number) for number in _USUAL}
    listen(*(number for number, handler in before.items() if handler != signal.SIG_IGN))
    try:
        with kept():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def kept() -> Iterator[None]:
    """Inside, an exception that a library has raised in the place of `Ended` is that `Ended`, and no failure."""
    try:
        yield
    except Exception as error:
        ended: BaseException | None = error
        while ended is not None and not isinstance(ended, Ended):
            ended = ended.__context__
        if ended is None:
            raise
        raise ended from error


def listen(*numbers: signal.Signals) -> None:
    """Raise `Ended` in this (the main) thread for these signals from now on."""
    if _state.bell is None:
        heard, _state.bell = os.pipe()
        os.set_blocking(_state.bell, False)
        sys.unraisablehook = _unraisable
        threading.Thread(target=_keep_time, args=(heard,), name="time to end", daemon=True).start()
    # Written to by the system itself: also while the main thread is deep in a library and runs no handler.
    signal.set_wakeup_fd(_state.bell, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, _asked)


def allow(number: signal.Signals, grace_s: float, last_s: float) -> None:
    """For this signal an end may be put off for `grace_s`; all is over after `last_s`."""
    _state.times[number] = (grace_s, last_s)


def forget_in_fork() -> None:
    """In a process forked from one that listens: SIGTERM ends it as any other, the rest is its parent's to say."""
    signal.set_wakeup_fd(-1)
    for number in ASKING:
        if signal.getsignal(number) == _asked:
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)


def on_first_signal(call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` called as soon as this process is asked to end; what is returned takes that back."""
    _state.told.append(call)
    return lambda: _state.told.remove(call)


@contextmanager
def put_off() -> Iterator[Callable[[], bool]]:
    """Inside, an end that was asked for waits until the block is left, or `GRACE_S`.

    What is yielded says whether one was: a training loop asks it where a checkpoint is cheap, and calls `end`.
    """
    _state.put_off += 1
    try:
        yield lambda: _state.number is not None
    finally:
        _state.put_off -= 1
    if _state.number is not None:
        end()


def end() -> NoReturn:
    """Raise `Ended` for the signal that came."""
    assert _state.number is not None, "nobody asked"
    _state.raised = True
    raise Ended(_state.number)


def end_children(grace_s: float = WORKERS_S) -> None:
    """Ask the processes that multiprocessing started here to end; kill those that do not within `grace_s`."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    deadline = time.monotonic() + grace_s
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))
    kill_children()


def kill_children() -> None:
    """Kill the processes that multiprocessing started here, and wait for none."""
    for child in multiprocessing.active_children():
        child.kill()


def _asked(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    reminded, _state.reminded = _state.reminded, False
    if _state.number is None:
        _state.number, _state.since = number, now
        for call in _state.told:
            call()
    elif number == signal.SIGINT and not reminded and now - _state.since > _AGAIN_S:
        _leave(number)
    # A batch system signals every process of a job, and so does the stage with its workers: the second changes nothing.
    if _state.is_due(now) and not _is_between(frame):  # a moment later there is a reminder
        end()


def _is_between(frame: FrameType | None) -> bool:
    """Whether code that was interrupted is one that no exception may leave."""
    while frame is not None:
        if frame.f_code in _BETWEEN:
            return True
        frame = frame.f_back
    return False


def _keep_time(heard: int) -> None:
    """In a thread of its own: what the main thread may be too busy for."""
    number = next(number for number in iter(lambda: os.read(heard, 1)[0], None) if number in ASKING)
    started, last_s = time.monotonic(), _state.times.get(number, (GRACE_S, LAST_S))[1]
    while (now := time.monotonic()) < started + last_s:
        if _state.is_due(now):
            # To the handler again: a blocking call of the main thread is interrupted.
            _state.reminded = True
            signal.pthread_kill(threading.main_thread().ident or 0, number)
        time.sleep(0.2)
    _leave(number)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    """Where Python lets no exception out (a destructor, a hook of `fork`), `Ended` is raised once more, later."""
    if isinstance(args.exc_value, Ended):
        _state.raised = False
    else:
        sys.__unraisablehook__(args)


def _leave(number: int) -> NoReturn:
    kill_children()
    os._exit(128 + number)
