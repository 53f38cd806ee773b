"""Tasks that do not need each other, run side by side: folds, models, cases.

A stage hands over a list of calls and has their results in order. Where they run is settled here: on this machine
(`local`), or where an `engine.yaml` says so, as jobs of SLURM (`slurm`). No result depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from gbaseg.runtime.engine import local
from gbaseg.runtime.engine.local import GPU_TASKS, WORKERS, threads_for
from gbaseg.runtime.engine.task import Task, TaskFailed
from gbaseg.runtime.place import elsewhere

__all__ = ["GPU_TASKS", "WORKERS", "Task", "TaskFailed", "cores_for", "run", "threads_for", "workers_for"]


def workers_for(tasks: int, exclusive: bool = False) -> int:
    """How many of `tasks` tasks run at a time; `exclusive`: that take a GPU, see `run`.

    Raises:
        UserError: `GBASEG_WORKERS` or `GBASEG_GPU_TASKS` is no positive whole number.
    """
    place = elsewhere()
    return local.workers_for(tasks, exclusive) if place is None else max(1, min(tasks, place.at_once))


def cores_for(tasks: int, exclusive: bool) -> int:
    """Cores of each of `tasks` tasks that train at a time, for the processes that it starts beside itself."""
    place = elsewhere()
    if place is not None:
        return place.request(networks=True).cpus
    return max(1, len(os.sched_getaffinity(0)) // local.workers_for(tasks, exclusive))


def run(
    tasks: Sequence[Task],
    *,
    name: str = "",
    exclusive: bool = False,
    light: bool = False,
    deal_cores: bool = False,
    lasting: bool = False,
) -> list[Any]:
    """Run every task; return their results in order.

    Args:
        tasks: the calls.
        name: show how many of the tasks are done under this name; empty: the tasks show their own progress.
        exclusive: a task takes a GPU, or all cores, to itself: one after the other in this process; with several GPUs
            in a worker process for each. `GBASEG_GPU_TASKS` says how many share one.
        light: tasks of a moment, which may run in threads (they use nothing that a process has one of, and most of
            their work is numpy's and scipy's): what is not begun before processes would have started goes to those.
        deal_cores: few and long tasks, such as folds: the cores are dealt out among them. Else each has one thread.
        lasting: all that the tasks write stays for a rerun of a resumable stage (its `work`, the store): jobs that a
            killed run has left are waited for, and their results taken.

    Raises:
        UserError: as a task raised it; or a process of a task was ended from outside.
        TaskFailed: any other failure of a task. Tasks under way are let finish (a fold's days of work stay in its
            scratch folder for the rerun), tasks not yet started are dropped.
    """
    place = elsewhere()
    if place is None and exclusive and local.workers_for(len(tasks), exclusive) == 1:
        return local.in_this_process(tasks)
    done = local.in_threads(tasks, name) if light and not exclusive else []
    left = tasks[len(done) :]
    if place is None or not left:
        return [*done, *local.in_processes(left, name, exclusive, deal_cores)]
    from gbaseg.runtime.engine import slurm

    return [*done, *slurm.run(left, place, name, networks=exclusive or deal_cores, lasting=lasting)]
