"""The process that workers are forked from: what they import is imported once, and not by each of them.

torch and nnU-Net take a core seconds to import, and a stage may start three pools of workers one after the other. The
process imports beside the stage, does nothing else, and ends when the stage and its workers have.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterable, Mapping
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.context import BaseContext
from pathlib import Path

from gbaseg.runtime.environment import variables
from gbaseg.runtime.leftovers import lock_inside
from gbaseg.runtime.locks import Holder, Lock, try_lock

# Signals that are the stage's to hear: its workers write checkpoints when it tells them.
_HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# numpy settles its threads when it is imported; a worker's sums shall not depend on how many cores there are.
_AT_IMPORT = {"OPENBLAS_NUM_THREADS": "1"}
# What a worker needs besides the modules of its tasks, which import the slow ones when they are called.
_wanted: list[str] = []
# Of the folder of its socket: by it a later run knows what a killed one has left. Asking at the socket would end it.
_locks: list[Lock | Holder | None] = []


def import_for_workers(*modules: str) -> None:
    """Name modules that the workers of this process will import; to be said before the first of them starts.

    None of them may ask for a GPU when it is imported, which no fork outlives, nor start threads that it needs (blosc2,
    whose threads are there at once, starts others in a fork).
    """
    _wanted.extend(modules)


def forked_workers(modules: Iterable[str]) -> BaseContext:
    """Where workers come from that use no GPU; the process is started if it is not there. They import for themselves
    where it cannot be.

    Args:
        modules: of their tasks.
    """
    context: BaseContext = multiprocessing.get_context("forkserver")
    # Of a process that has started they are asked in vain, and its workers import what is missing.
    multiprocessing.set_forkserver_preload(["__main__", *dict.fromkeys([*_wanted, *modules])])
    # It lets signals through when it starts its own process.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        with variables(_AT_IMPORT):
            if not _locks:
                _locks.append(try_lock(lock_inside(Path(util.get_temp_dir()))))
            forkserver.ensure_running()
    except OSError:
        # Its socket has to go into the temporary folder, whose name may be too long for one.
        context = multiprocessing.get_context("spawn")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def begin_worker(environment: Mapping[str, str]) -> None:
    """In a worker that listens for SIGTERM: what the process that it was forked from has not handed on.

    Args:
        environment: of the process that the worker is for, which may have changed since that one was started.
    """
    os.environ.clear()
    os.environ.update(environment)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
