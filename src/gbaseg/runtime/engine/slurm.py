"""Tasks as jobs of SLURM: submitted as one array, waited for, shown in one display, and never submitted twice.

The call's folder says which jobs there are before the first of them is. A run that was killed leaves them to the next
one, which waits for them; one that is asked to end cancels them. Results come back as files: whether a task is done is
seen by listing a folder, what became of a job by one squeue for all of them.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.runtime.ending import Ended
from gbaseg.runtime.engine import queue
from gbaseg.runtime.engine.calls import Call, Done, Pack, Record, Submission, call_of, calls_in, new_name
from gbaseg.runtime.engine.queue import OVER, Job
from gbaseg.runtime.engine.settings import Request
from gbaseg.runtime.engine.task import Task, raise_failure
from gbaseg.runtime.leftovers import discard
from gbaseg.runtime.place import Place, elsewhere
from gbaseg.runtime.progress import Display, log
from gbaseg.text_file import tail

# Between looks for outcomes; SLURM is asked as often as `engine.yaml: poll_s` says, sooner in the beginning.
_LOOK_S = 1.0
# States after which what a job was at is submitted again.
_AGAIN = {"NODE_FAIL", "TIMEOUT", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "REVOKED", ""}
# Jobs that end before they begin to work are given up after so many. An outcome may be seen later than its job's end.
_UNBEGUN, _MISSED = 3, 2
# So long after a job has ended well: NFS shows a folder's new files to another machine within a minute.
_SEEN_S = 90.0
# A job that SLURM shows no more may have been over for long, or SLURM has just begun anew.
_UNKNOWN = 5


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
    driver = _Driver(call, place, request, networks, [task.name for task in tasks], name or place.stage)
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


@dataclass
class _Driver:
    """Waits for the jobs of one call."""

    call: Call
    place: Place
    request: Request
    networks: bool
    names: Sequence[str]
    title: str
    record: Record = field(init=False)
    # By task, what came of it; by pack, its job as squeue showed it last, and how often in a row, and since when, there
    # was none.
    outcomes: dict[int, Done] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    missed: Counter[int] = field(default_factory=Counter)
    since: dict[int, float] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    failed: tuple[str, Done] | None = None
    # By pack, how often its jobs have begun, and how many of them, in a row, have not.
    begun: Counter[int] = field(default_factory=Counter)
    unbegun: Counter[int] = field(default_factory=Counter)
    said: str = ""

    def submit(self, packs: Sequence[int]) -> None:
        """Submit an array for some packs; it is noted before SLURM has it."""
        submission = Submission(new_name(self.place.stage), list(packs))
        self.record.submissions.append(submission)
        self.call.write(self.record)
        for pack in packs:
            self.jobs.pop(pack, None)
            self.missed[pack] = 0
            self.since.pop(pack, None)
        engine = self.place.engine
        queue.submit(self.call, submission, self.request, engine.at_once, self.networks, engine.ahead_s)
        asked = ", ".join(f"{key} {value}" for key, value in queue.describe(self.request).items())
        tasks = sum(len(self.record.packs[pack]) for pack in packs)
        log(f"{self.title}: {tasks} task(s) in {len(packs)} job(s) of SLURM, {submission.name}, each with {asked}")

    def wait(self) -> list[Any]:
        """Results of all tasks, when they are there."""
        asked, between = -math.inf, _LOOK_S
        with Display() as display:
            while True:
                self.collect()
                if len(self.outcomes) + len(self.dropped) == len(self.names):
                    break
                if time.monotonic() - asked >= between:
                    self.ask()
                    asked, between = time.monotonic(), min(2 * between, self.place.engine.poll_s)
                    if len(self.outcomes) + len(self.dropped) == len(self.names):
                        break
                self.show(display)
                time.sleep(min(_LOOK_S, self.place.engine.poll_s))
            self.show(display)
        if self.failed is not None:
            raise_failure(self.failed[0], self.failed[1].failure, self.failed[1].where)
        return [self.outcomes[number].result for number in range(len(self.names))]

    def collect(self) -> None:
        """Take the outcomes that have come; of the first failure say so, and drop what has not begun."""
        for number in sorted(self.call.done() - self.outcomes.keys()):
            self.take(number, self.call.outcome(number))
            if self.networks and self.outcomes[number].failure is None:
                log(f"{self.names[number]}: done{self.outcomes[number].where}")

    def take(self, number: int, done: Done) -> None:
        """Note what came of a task."""
        self.outcomes[number] = done
        self.dropped.discard(number)
        if done.failure is not None and self.failed is None:
            self.failed = (self.names[number], done)
            log(f"{self.names[number]} failed{done.where}:\n{done.failure}")
            queue.cancel([one.name for one in self.record.submissions], waiting_only=True)

    def ask(self) -> None:
        """Ask SLURM where all jobs are, and see to those that are over without an outcome of all their tasks."""
        jobs, fault = queue.look([one.name for one in self.record.submissions])
        if fault:
            if fault != self.said:
                log(f"{fault}; asking again")
            self.said = fault
            return
        self.said = ""
        # Of a pack that was submitted again, the last job counts.
        last = {pack: (one.name, number) for one in self.record.submissions for number, pack in enumerate(one.packs)}
        at = {place: pack for pack, place in last.items()}
        seen = {at[job.name, job.number]: job for job in jobs if (job.name, job.number) in at}
        self.jobs |= seen
        self.collect()
        again = []
        for pack in range(len(self.record.packs)):
            if not self.left(pack) or (pack in seen and self.jobs[pack].state not in OVER):
                self.missed[pack] = 0
                self.since.pop(pack, None)
                continue
            self.missed[pack] += 1
            self.since.setdefault(pack, time.monotonic())
            enough = _MISSED if pack in seen else _UNKNOWN
            ended_well = pack in seen and self.jobs[pack].state == "COMPLETED"
            if ended_well and time.monotonic() - self.since[pack] < _SEEN_S:
                continue
            if self.missed[pack] >= enough and self.is_to_begin_again(pack, self.jobs.get(pack)):
                again.append(pack)
        if again:
            self.submit(again)

    def left(self, pack: int) -> list[int]:
        """Tasks of a pack of which nothing has come, and something may."""
        return [one for one in self.record.packs[pack] if one not in self.outcomes and one not in self.dropped]

    def is_to_begin_again(self, pack: int, job: Job | None) -> bool:
        """Whether a pack whose job is over is submitted again; else its tasks have failed, or are dropped."""
        state, left = (job.state if job else ""), self.left(pack)
        if self.failed is not None:
            self.dropped.update(left)
            return False
        began = len(self.call.starts(pack))
        self.unbegun[pack] = self.unbegun[pack] + 1 if began == self.begun[pack] else 0
        self.begun[pack] = began
        where = f" on {job.node or 'no node'}, job {job.id}" if job else ""
        path = self.call.logs / f"{job.id if job else '?'}_0_log.out"
        asked = self.call.was_asked_to_end(pack) or state in _AGAIN or self.unbegun[pack]
        if asked and state != "CANCELLED" and self.unbegun[pack] < _UNBEGUN:
            log(f"{self.names[left[0]]}: its job{where} is over ({state or 'unknown to SLURM'}); submitted again")
            return True
        words = tail(path)
        failure = (
            f"its job is over ({state or 'unknown to SLURM'}) without a word; {_ADVICE.get(state, _ADVICE['FAILED'])}"
        )
        where += f", log {path}"
        log(f"{self.names[left[0]]}: {failure}\n{words}")
        self.take(left[0], Done(UserError(f"{self.names[left[0]]}{where}: {failure}\n{words}".rstrip()), None, where))
        self.dropped.update(left[1:])
        return False

    def show(self, display: Display) -> None:
        """All tasks in one line, and those that run, each with its node."""
        running = {pack: job for pack, job in self.jobs.items() if job.state == "RUNNING" and self.left(pack)}
        reasons = Counter(job.reason for pack, job in self.jobs.items() if job.state == "PENDING" and self.left(pack))
        waits = ", ".join(reason for reason, _ in reasons.most_common(2))
        note = f"{sum(reasons.values())} queued ({waits})" if reasons else ""
        nodes = sorted({job.node for job in running.values()})
        if running:
            note += f"{', ' if note else ''}{len(running)} running on {', '.join(nodes[:4])}"
            note += f" and {len(nodes) - 4} more" if len(nodes) > 4 else ""
        display.show(self.title, len(self.outcomes), len(self.names), note)
        reports = {
            report["name"]: {**report, "note": f"{job.node} {report['note']}"}
            for pack, job in running.items()
            for report in self.call.reports(pack)
            if report["done"] < report["total"]
        }
        display.keep([self.title, *reports])
        for report in reports.values():
            display.show(**report)


_ADVICE = {
    "OUT_OF_MEMORY": "it took more memory than it had: engine.yaml: memory_gib",
    "CANCELLED": "somebody else has cancelled it; the same command goes on",
    "FAILED": "out of memory, or ended from outside (sacct, the node's log); the same command goes on",
}
