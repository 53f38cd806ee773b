"""Tasks as jobs of SLURM: submitted as one array, waited for, shown in one display, and never submitted twice.

The call's folder says which jobs there are before the first of them is. A run that was killed leaves them to the next
one, which waits for them; one that is asked to end cancels them. Results come back as files: whether a task is done is
seen by listing a folder, what became of a job by one squeue for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.runtime.ending import Ended, kept
from gbaseg.runtime.engine import queue
from gbaseg.runtime.engine.calls import Call, Pack, Record, call_of, calls_in
from gbaseg.runtime.engine.driver import Driver
from gbaseg.runtime.engine.task import Task
from gbaseg.runtime.leftovers import discard
from gbaseg.runtime.place import Place, elsewhere
from gbaseg.runtime.progress import log


def run(tasks: Sequence[Task], place: Place, name: str, *, networks: bool, lasting: bool) -> list[Any]:
    """Results of tasks, in order; arguments and errors as of `engine.run`.

    Args:
        place: where the jobs go.
        networks: the tasks train or use a GPU; else they are cases on one core.
    """
    queue.check_slurm()
    request = place.request(networks)
    call, content = call_of(place.folder, tasks)
    record = call.read()
    if record is not None and not (lasting and record.lasting and record.content == content):
        abandon(call)
        record = None
    driver = Driver(call, place, request, networks, [task.name for task in tasks], name or place.stage)
    with _held(call):
        if record is None:
            packs = packed(len(tasks), place, networks)
            record = Record(content, lasting, packs, request.cpus if networks else 1, place.engine.ahead_s)
            call.begin(tasks, record)
            driver.record = record
            driver.submit(range(len(packs)))
        else:
            driver.record = record
            log(f"{place.stage}: {len(record.packs)} job(s) of a run before are found; waiting for them")
        return driver.wait()


def packed(tasks: int, place: Place, networks: bool) -> list[Pack]:
    """Task numbers of each job: so many together that a job is worth its start, and an array holds all."""
    # Where the cost model says nothing: a case takes a minute, a training longer than any job is worth.
    together = place.needs.minutes_of(networks)
    minutes = together / tasks if together else None if networks else 1.0
    size = 1 if minutes is None else math.ceil(place.engine.worth_min / max(minutes, 1e-3))
    jobs = min(max(1, math.ceil(tasks / max(1, size))), queue.MOST_JOBS)
    bounds = [tasks * number // jobs for number in range(jobs + 1)]
    return [list(range(start, end)) for start, end in pairwise(bounds)]


def abandon(call: Call) -> None:
    """Cancel what jobs a call may have, wait until they are gone, and forget it.

    Raises:
        UserError: they cannot be cancelled from here, or do not go.
    """
    record = call.read()
    names = [one.name for one in record.submissions] if record else []
    if names:
        log(f"{call.folder}: cancelling what jobs a run before has left")
        try:
            queue.cancel(names)
        except UserError as error:
            raise UserError(
                f"{call.folder}: a run before has left jobs of SLURM, which cannot be cancelled from here ({error}). "
                "Run this where they can, or remove that folder when they are gone"
            ) from error
        if not queue.wait_until_gone(names):
            raise UserError(f"{call.folder}: its jobs do not end; look: squeue --name={','.join(names)}")
    discard(call.folder)


def abandon_all(folder: Path, lasting: bool) -> None:
    """Cancel what jobs the calls of a stage may have.

    Args:
        lasting: not those whose work stays, where this run's tasks go to SLURM, too.

    Raises:
        UserError: as `abandon`.
    """
    for call in calls_in(folder):
        record = call.read()
        if record is None or not (lasting and record.lasting and elsewhere() is not None):
            abandon(call)


@contextmanager
def _held(call: Call) -> Iterator[None]:
    """Whatever happens inside, no job is left and nobody looks for one, unless this process is killed."""
    try:
        with kept():
            yield
    except BaseException as error:
        _give_back(call, said=isinstance(error, Ended))
        raise
    discard(call.folder)


def _give_back(call: Call, said: bool) -> None:
    """Cancel the jobs of a call; its logs stay where one of them has begun."""
    record = call.read()
    if record is not None and (names := [one.name for one in record.submissions]):
        try:
            queue.cancel(names)
        except UserError as error:
            log(f"its jobs may go on: {error}")  # noted still: the next run looks for them
            return
        gone = queue.wait_until_gone(names)
        if said or not gone:
            log(f"its jobs are cancelled{'' if gone else ', and still ending'}")
    if record is not None and any(call.starts(pack) for pack in range(len(record.packs))):
        call.close()
    else:
        discard(call.folder)
