"""Programs to be killed by the tests of interruptions, and a look at what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

TESTS = Path(__file__).parents[1]
# Given to what a test starts: all that comes of it has it in its environment, also where its parent is gone.
MARK = "GBASEG_TEST_RUN"


def environment(mark: str) -> dict[str, str]:
    """This Python's commands first, one core, and the mark."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    one = {"GBASEG_WORKERS": "2", "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    return {**os.environ, **one, "PATH": path, MARK: mark}


def family_of(mark: str) -> list[psutil.Process]:
    """All processes that come of what was started with this mark, orphans too."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue  # it has just ended, or is another user's
    return found


def kill_all(mark: str, but: int | None = None) -> None:
    """kill -9 of the whole tree, as a machine that goes down does it; `but`: a process that is spared."""

    def family() -> list[psutil.Process]:
        return [process for process in family_of(mark) if process.pid != but]

    for _ in range(3):  # what was started meanwhile
        for process in family():
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue
    wait_for(lambda: not family(), "killed processes are gone")


def wait_for(holds: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Until it holds; an AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def start(command: list[str], folder: Path, mark: str, **options: object) -> subprocess.Popen[str]:
    """Start a command there; its standard error is to be read from `stderr`."""
    return subprocess.Popen(
        command, cwd=folder, env=environment(mark), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        **options,  # type: ignore[call-overload]
    )  # fmt: skip
