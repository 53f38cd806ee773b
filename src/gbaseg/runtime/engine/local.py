"""Tasks side by side on this machine.

In this process when a task takes the machine to itself, in its threads while they are over sooner than a process has
started, else in worker processes. How many threads a task has follows from the tasks and the machine, not from the
number of workers, and so do the numbers that come out.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.runtime.device import VISIBLE, gpus_to_share
from gbaseg.runtime.ending import Ended, end_children, kept, kill_children, listen
from gbaseg.runtime.engine.task import Outcome, Task, attempt, raise_failure
from gbaseg.runtime.family import end_with_engine
from gbaseg.runtime.fork_server import begin_worker, forked_workers
from gbaseg.runtime.leftovers import TEMPORARY, lock_inside
from gbaseg.runtime.locks import wait_for
from gbaseg.runtime.memory import keep_freed
from gbaseg.runtime.progress import REPORT_FOLDER, Display, log
from gbaseg.runtime.room import shared_memory_fault
from gbaseg.runtime.threads import torch_threads

# Worker processes on the processor's cores; default: one a core.
WORKERS = "GBASEG_WORKERS"
# Tasks that share a GPU; default: one.
GPU_TASKS = "GBASEG_GPU_TASKS"
# What is over sooner says nothing of itself.
_SAID_S = 1.0
# What it takes to start processes and their libraries: within it threads are done with small tasks.
_START_S = 2.0


def workers_for(tasks: int, exclusive: bool = False) -> int:
    """How many processes to use for `tasks` tasks; `exclusive`: that take a GPU, see `run`.

    Raises:
        UserError: `GBASEG_WORKERS` or `GBASEG_GPU_TASKS` is no positive whole number.
    """
    available = max(1, len(_gpus())) * _asked(GPU_TASKS, 1) if exclusive else _asked(WORKERS, _cores())
    return max(1, min(tasks, available))


def _asked(variable: str, otherwise: int) -> int:
    asked = os.environ.get(variable, "")
    if asked and not (asked.isdigit() and int(asked) > 0):
        raise UserError(f"{variable}={asked}: expected a whole number of at least 1")
    return int(asked) if asked else otherwise


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _gpus() -> list[str]:
    # Without torch no task of this process is a GPU's.
    return gpus_to_share() if "torch" in sys.modules else []


def threads_for(tasks: int) -> int:
    """How many threads each of a few long tasks has, when all cores are dealt out among them."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(_cores(), int(limit) if limit.isdigit() else _cores()) // max(tasks, 1))


def in_this_process(tasks: Sequence[Task]) -> list[Any]:
    """Results of tasks that take a GPU, or all cores, one after the other."""
    keep_freed()
    return [task.function(**task.arguments) for task in tasks]


def in_processes(tasks: Sequence[Task], name: str, exclusive: bool, deal_cores: bool) -> list[Any]:
    """Results of tasks in worker processes; the arguments are those of `engine.run`.

    Raises:
        UserError: see `engine.run`; or shared memory cannot be used.
    """
    if not tasks:
        return []
    workers = workers_for(len(tasks), exclusive)
    if fault := shared_memory_fault():
        raise UserError(fault)
    with _progress_folder() as folder, Display() as display:
        # A fork would not outlive that its parent has asked for a GPU, which some library does when it is imported.
        workers_of = multiprocessing.get_context("spawn") if exclusive else forked_workers(_modules_of(tasks))
        gpus, places = _gpus() if exclusive else [], workers_of.SimpleQueue()
        for number in range(workers):
            places.put(gpus[number % len(gpus)] if gpus else None)
        pool = ProcessPoolExecutor(
            workers,
            mp_context=workers_of,
            initializer=_start_worker,
            initargs=(
                dict(os.environ),
                str(folder),
                places,
                None if exclusive else threads_for(len(tasks)) if deal_cores else 1,
                max(1, _asked(WORKERS, _cores()) // workers) if exclusive else None,
            ),
        )
        with _ended_with(pool):
            with _left_to_this_process():
                futures = {pool.submit(_call, task): task.name for task in tasks}
                # The pool watches the worker that it started last only from the next call on: killed, nobody noticed.
                pool.submit(int)
            pending = set(futures)
            while pending:
                done, pending = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
                display.poll(folder)
                if name:
                    display.show(name, len(futures) - len(pending), len(futures), "")
                for future in done:
                    _raise_of(futures[future], future)
            return [future.result()[1] for future in futures]


def _modules_of(tasks: Sequence[Task]) -> set[str]:
    return {task.function.__module__ for task in tasks}


@contextmanager
def _progress_folder() -> Iterator[Path]:
    """Where workers say how far they are. Its lock tells a later run whether it is left over."""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as folder:
        lock = wait_for(lock_inside(Path(folder)), folder)
        try:
            yield Path(folder)
        finally:
            lock.release()


@contextmanager
def _left_to_this_process() -> Iterator[None]:
    """Workers that are started inside never see Ctrl-C or a closed terminal, which go to all processes at once.

    This process tells them, so that they write checkpoints, and no traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ended_with(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Tasks under way are let finish if one has failed, and told to end if this process is asked to."""
    try:
        try:
            with kept():
                yield
        except Ended:
            raise
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        else:
            pool.shutdown(wait=True)
    except Ended:
        pool.shutdown(wait=False, cancel_futures=True)
        end_children()
        raise


def in_threads(tasks: Sequence[Task], name: str) -> list[Any]:
    """Results of the first tasks, as many as were begun within `_START_S`; of all where processes would be no more."""
    keep_freed()
    threads, started = workers_for(len(tasks)), time.monotonic()
    futures: dict[Future[Outcome], str] = {}
    pending: set[Future[Outcome]] = set()

    def wait_for_one() -> None:
        done, left = wait(pending, return_when=FIRST_COMPLETED)
        pending.intersection_update(left)
        for future in done:
            _raise_of(futures[future], future)
        if name and time.monotonic() - started > _SAID_S:
            display.show(name, len(futures) - len(pending), len(tasks), "")

    # As a worker would have it.
    one_thread = torch_threads(1) if "torch" in sys.modules else nullcontext()
    with one_thread, Display() as display, ThreadPoolExecutor(threads) as pool:
        for task in tasks:
            if threads > 1 and time.monotonic() - started > _START_S:
                break
            future = pool.submit(_call, task)
            futures[future] = task.name
            pending.add(future)
            if len(pending) == threads:
                wait_for_one()
        while pending:
            wait_for_one()
    return [future.result()[1] for future in futures]


def _raise_of(name: str, future: Future[Outcome]) -> None:
    try:
        failure, _ = future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was ended from outside (out of memory? the system's log says: dmesg); what the others "
            "have finished stays. The same command goes on; fewer at once take less memory: GBASEG_WORKERS=1"
        ) from error
    if failure is not None:
        log(f"{name} failed")
        raise_failure(name, failure)


def _start_worker(
    environment: dict[str, str], folder: str, places: SimpleQueue[str | None], threads: int | None, share: int | None
) -> None:
    listen(signal.SIGTERM)
    begin_worker(environment)
    end_with_engine()
    keep_freed()
    gpu = places.get()
    if gpu is not None:
        os.environ[VISIBLE] = gpu  # CUDA reads it at its first call, which no worker has made yet
    os.environ[REPORT_FOLDER] = folder
    if share is not None:
        os.environ[WORKERS] = str(share)  # its part of the cores, for what it does beside its GPU
    if threads is not None:
        use_threads(threads)


def use_threads(threads: int) -> None:
    """Never more than there are cores for: two threads on a shared core take three times as long."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _call(task: Task) -> Outcome:
    """Run in a worker."""
    try:
        return attempt(task)
    except Ended as ended:
        # The pool would take it for a result, and the next task.
        kill_children()
        os._exit(ended.status)
