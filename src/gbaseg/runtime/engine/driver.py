"""Waiting for the jobs of one call: what came of each task, which jobs are lost, and one display of all of them."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gbaseg.errors import UserError, some_of
from gbaseg.runtime.engine import queue
from gbaseg.runtime.engine.calls import Call, Done, Record, Submission, new_name
from gbaseg.runtime.engine.queue import OVER, Job
from gbaseg.runtime.engine.settings import Request
from gbaseg.runtime.engine.task import raise_failure
from gbaseg.runtime.place import Place
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
# Of a job that was over before a task began, and of others by their state.
_NEVER = (
    "none of its jobs began: is this folder, with .scratch and the environment, on a file system of all nodes, and "
    "under the same path?"
)
_ADVICE = {
    "OUT_OF_MEMORY": "it took more memory than it had: engine.yaml: memory_gib",
    "CANCELLED": "somebody else has cancelled it; the same command goes on",
    "FAILED": "out of memory, or ended from outside (sacct, the node's log); the same command goes on",
}


@dataclass
class Driver:
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
        advice = _NEVER if self.unbegun[pack] else _ADVICE.get(state, _ADVICE["FAILED"])
        failure = f"its job is over ({state or 'unknown to SLURM'}) without a word; {advice}"
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
            note += f"{', ' if note else ''}{len(running)} running on {some_of(nodes, 4)}"
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
