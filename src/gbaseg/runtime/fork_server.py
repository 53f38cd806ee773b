"""The process that workers are forked from: what they import is imported once, and not by each of them.

torch and nnU-Net take a core seconds to import, and a stage may start three pools of workers one after the other. The
process imports beside the stage, does nothing else, and ends when the stage and its workers have.
"""

from __future__ import annotations

import ast
import fcntl
import multiprocessing
import os
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

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
# A fork of this process, made when it had not begun anything, and the way to it: see `put_aside`.
_aside: list[tuple[int, socket.socket]] = []
_MOST_DESCRIPTORS, _LONGEST_PROGRAM = 8, 1 << 20


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
        with variables(_AT_IMPORT), _of_what_is_aside():
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


def put_aside() -> None:
    """Keep a fork of this process, in which all that workers need is imported, to be what workers are forked from.

    To be called before the process computes anything: the threads of a library are not in a fork.
    """
    ours, its = socket.socketpair()
    # Of a terminal's signals it hears nothing, as if `forked_workers` had started it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        its.close()
        _aside.append((process, ours))
        return
    try:
        ours.close()
        program, descriptors, *_ = socket.recv_fds(its, _LONGEST_PROGRAM, _MOST_DESCRIPTORS)
        if program:  # else the stage has ended without workers
            numbers, arguments, named = ast.literal_eval(program.decode())
            _take_places(descriptors, numbers, its)
            _compute_as_told(_AT_IMPORT)
            forkserver.main(*arguments, **named)
    finally:
        os._exit(0)


@contextmanager
def _of_what_is_aside() -> Iterator[None]:
    """Inside, multiprocessing's next process is the one that was put aside, where there is one."""
    seam: Any = util
    usual = seam.spawnv_passfds

    def give(path: bytes, arguments: Sequence[str], descriptors: Iterable[int]) -> int:
        seam.spawnv_passfds = usual
        call = _call_of_main(arguments[-1])
        if call is None:
            return int(usual(path, arguments, descriptors))
        process, way = _aside.pop()
        numbers = sorted(map(int, descriptors))
        with way:
            socket.send_fds(way, [repr((numbers, *call)).encode()], numbers)
        return process

    if _aside:
        seam.spawnv_passfds = give
    try:
        yield
    finally:
        seam.spawnv_passfds = usual


def _call_of_main(program: str) -> tuple[list[Any], dict[str, Any]] | None:
    """Arguments of `forkserver.main` in what multiprocessing gives to a new interpreter; nothing if that is another."""
    *_, last = ast.parse(program).body
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)):
        return None
    try:
        named: dict[str, Any] = {}
        for keyword in last.value.keywords:
            value = ast.literal_eval(keyword.value)
            named |= value if keyword.arg is None else {keyword.arg: value}
        return [ast.literal_eval(one) for one in last.value.args], named
    except ValueError:
        return None


def _take_places(descriptors: Sequence[int], numbers: Sequence[int], used: socket.socket) -> None:
    """Give descriptors the numbers that they have in the process that sent them."""
    # By way of numbers that are in nobody's way.
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, max(numbers) + 1) for descriptor in descriptors]
    for descriptor in (*descriptors, used.detach()):
        os.close(descriptor)
    for descriptor, number in zip(high, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _compute_as_told(variables: Mapping[str, str]) -> None:
    """As if libraries had been imported with these variables, of which there is one."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(int(variables["OPENBLAS_NUM_THREADS"]), "blas")
    os.environ.update(variables)
