"""Children end with their parent: a stage with dvc, workers with the stage, nnU-Net's processes with the worker."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import PurePath

from gbaseg.runtime.ending import STARTED_BY, forget_in_fork, kill_children

# Set by DVC in the commands of its stages.
DVC_STAGE = "DVC_STAGE"
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_SECONDS_BETWEEN_LOOKS = 0.5
# Between dvc and its command: a shell, a wrapper such as `nice`, or one that a site puts there.
_MOST_BETWEEN = 6
_SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh", "ash", "csh", "tcsh", "busybox"}
_forks_watched = False


def end_with_engine() -> None:
    """In a worker: be gone when the process that started it is, however that ended.

    A worker that waits for its next task would otherwise wait for ever: it holds both ends of the queue. Killed, not
    asked: another run may take up the scratch folder at once.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        # Its end of a pipe closes with it, on every system and whichever thread made this process.

        def wait() -> None:
            parent.join()
            _vanish()

        threading.Thread(target=wait, name="end with engine", daemon=True).start()
    end_forks_with_this()


def end_forks_with_this() -> None:
    """Processes that are forked from this one (nnU-Net's that prepare patches) are gone when it is."""
    global _forks_watched  # noqa: PLW0603 - such a hook can never be taken back
    if _forks_watched:
        return
    _forks_watched = True
    forked: list[tuple[int, bool]] = []
    os.register_at_fork(
        before=lambda: forked.append((os.getpid(), threading.current_thread() is threading.main_thread())),
        after_in_parent=forked.clear,
        after_in_child=lambda: _end_fork_with(*forked[-1]),
    )


def end_with_dvc() -> None:
    """In a stage that DVC started: ask this process to end (SIGTERM) when dvc, or a shell between, has ended.

    A stage called by hand outlives its shell as ever (nohup). Where dvc outlives its own parent, so does the stage.
    """
    if DVC_STAGE not in os.environ or any(thread.name == DVC_STAGE for thread in threading.enumerate()):
        return
    chain = line_to_dvc()
    orphan = os.getppid() != STARTED_BY or takes_orphans(chain[-1])  # it ended while this process was starting

    def watch() -> None:
        while not orphan and _line(len(chain)) == chain:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name=DVC_STAGE, daemon=True).start()


def end_with_caller(pipe: int) -> None:
    """In a stage that was forked for another process (`stage_server`): end with that one, hear the signals it hears.

    Args:
        pipe: a byte is the number of a signal; its end is the caller's.
    """

    def watch() -> None:
        for number in iter(lambda: os.read(pipe, 1), b""):
            os.kill(os.getpid(), number[0])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name=DVC_STAGE, daemon=True).start()


def hears_of_parent(parent: int, number: signal.Signals) -> bool:
    """On Linux: let this process be sent a signal when its parent ends. False: that ended before the call.

    The kernel's own: it takes no thread and works where memory is gone.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    return os.getppid() == parent


def line_to_dvc() -> list[int]:
    """The processes above this one up to dvc; where none of them is dvc, up to the first that is no shell."""
    import psutil

    line = _line(_MOST_BETWEEN)
    for wanted in (_is_dvc, lambda process: process.name() not in _SHELLS):
        for place, pid in enumerate(line):
            try:
                if wanted(psutil.Process(pid)):
                    return line[: place + 1]
            except psutil.Error:
                break  # it has just ended, or is not ours to look at
    return line[:1]


def is_below(pid: int) -> bool:
    """Whether a process is above this one, a few at most between them."""
    return pid in _line(_MOST_BETWEEN)


def _is_dvc(process: object) -> bool:
    # `dvc`, `python .../bin/dvc`, `python -m dvc`; the cmdline of an interpreter has it among the first three.
    return any(PurePath(part).name == "dvc" for part in process.cmdline()[:3])  # type: ignore[attr-defined]


def takes_orphans(pid: int) -> bool:
    """Whether those go to a process whose parent has ended: init or a session's, not a program that calls DVC."""
    import psutil

    try:
        process = psutil.Process(pid)
        if pid != 1:
            return process.name() == "systemd"
        # In a container anything may be the first process.
        return not (_is_dvc(process) or PurePath(process.exe()).name.startswith("python"))
    except psutil.Error:
        return True  # the machine's own, of which users see nothing; or it has just ended


def _line(most: int) -> list[int]:
    """Parent, its parent and so on. A process whose parent ends gets another at once, if that is a zombie, too."""
    import psutil

    line = [os.getppid()]
    while len(line) < most and line[-1] > 1:
        try:
            line.append(psutil.Process(line[-1]).ppid())
        except psutil.Error:
            break
    return line


def _end_fork_with(parent: int, by_main_thread: bool) -> None:
    """In a process forked just now."""
    forget_in_fork()
    # Linux counts a parent as ended with the thread that forked.
    if sys.platform == "linux" and by_main_thread:
        if not hears_of_parent(parent, signal.SIGKILL):
            _vanish()
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        _vanish()

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


def _vanish() -> None:
    kill_children()
    os.kill(os.getpid(), signal.SIGKILL)
