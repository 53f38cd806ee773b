"""The folder of one call of the engine: what jobs are handed, and what they hand back.

`record.json` says which jobs there are, and is there before the first of them is. A folder without one belongs to
nobody: its call is over, and a failed one's logs are kept in it. All files appear whole, and of two processes only one
ever writes a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.runtime.engine import sealed
from gbaseg.runtime.engine.task import Task
from gbaseg.runtime.leftovers import discard
from gbaseg.runtime.whole import written_whole

_RECORD, _TASKS = "record.json", "tasks.pkl"
# Under a number of its own each pack has the tasks that one job does, one after the other.
Pack = list[int]


@dataclass(frozen=True)
class Submission:
    """One array of jobs.

    Args:
        name: of its jobs, which nobody else's have: by it they are asked for and cancelled.
        packs: numbers of the packs, in the order of the array.
    """

    name: str
    packs: list[int]


@dataclass
class Record:
    """What is known of a call.

    Args:
        content: hash of its tasks.
        lasting: see `engine.run`.
        packs: task numbers of each job.
        threads: of a task.
        ahead_s: before its time limit a job is told.
        submissions: all that were made, the last one for those whose jobs were lost.
    """

    content: str
    lasting: bool
    packs: list[Pack]
    threads: int
    ahead_s: int
    submissions: list[Submission] = field(default_factory=list)


@dataclass(frozen=True)
class Done:
    """Outcome of a task, and where it ran."""

    failure: UserError | str | None
    result: Any
    where: str


class Call:
    """The folder of a call.

    Args:
        folder: its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def logs(self) -> Path:
        """Submitit's folder: a log a job."""
        return self.folder / "logs"

    def progress(self, pack: int) -> Path:
        """Where the tasks of a job say how far they are."""
        return self.folder / "progress" / str(pack)

    def read(self) -> Record | None:
        """What is noted of the call; None where there is none."""
        try:
            noted = json.loads((self.folder / _RECORD).read_bytes())
            return Record(**{**noted, "submissions": [Submission(**one) for one in noted["submissions"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def begin(self, tasks: Sequence[Task], record: Record) -> None:
        """Write what jobs are handed; the record comes last."""
        discard(self.folder)
        for folder in ("logs", "outcomes", "progress", "begun", "ended"):
            (self.folder / folder).mkdir(parents=True)
        (self.folder / _TASKS).write_bytes(sealed.sealed(list(tasks)))
        self.write(record)

    def write(self, record: Record) -> None:
        """Note what is known of the call."""
        with written_whole(self.folder / _RECORD) as partial:
            partial.write_text(json.dumps(asdict(record)))

    def close(self) -> None:
        """The call is over and its jobs are gone: nobody looks for them any more."""
        (self.folder / _RECORD).unlink(missing_ok=True)

    @cached_property
    def tasks(self) -> list[Task]:
        """In a job: the tasks."""
        tasks: list[Task] = sealed.load(self.folder / _TASKS)
        return tasks

    def put(self, task: int, done: Done) -> None:
        """Hand back what came of a task."""
        path = self.folder / "outcomes" / str(task)
        try:
            content = sealed.sealed(done)
        except Exception as error:
            content = sealed.sealed(Done(f"its result cannot be handed back: {error}", None, done.where))
        with written_whole(path) as partial:
            partial.write_bytes(content)

    def done(self) -> set[int]:
        """Numbers of the tasks whose outcome is there."""
        with suppress(FileNotFoundError), os.scandir(self.folder / "outcomes") as entries:
            return {int(entry.name) for entry in entries if entry.name.isdigit()}
        return set()

    def outcome(self, task: int) -> Done:
        """What came of a task."""
        outcome: Done = sealed.load(self.folder / "outcomes" / str(task))
        return outcome

    def begin_pack(self, pack: int, about: dict[str, Any]) -> list[dict[str, Any]]:
        """In a job: note that it has begun; returns all starts of this pack, this one last."""
        starts = [*self.starts(pack), about]
        with written_whole(self.folder / "begun" / str(pack)) as partial:
            partial.write_text(json.dumps(starts))
        (self.folder / "ended" / str(pack)).unlink(missing_ok=True)
        return starts

    def starts(self, pack: int) -> list[dict[str, Any]]:
        """Jobs that have begun a pack: `job`, `node`, and how far it was then."""
        try:
            starts: list[dict[str, Any]] = json.loads((self.folder / "begun" / str(pack)).read_bytes())
        except FileNotFoundError:
            return []
        return starts

    def end_pack(self, pack: int, signal: str) -> None:
        """In a job: note that it was asked to end before its tasks were done."""
        with suppress(OSError):  # a full disk: the driver goes by SLURM's word
            (self.folder / "ended" / str(pack)).write_text(signal)

    def was_asked_to_end(self, pack: int) -> bool:
        """Whether the last job of a pack ended because it was asked to."""
        return (self.folder / "ended" / str(pack)).exists()

    def reports(self, pack: int) -> Iterator[dict[str, Any]]:
        """How far the tasks of a pack are: `name`, `done`, `total`, `note`."""
        for path in sorted(self.progress(pack).glob("*.json")):
            with suppress(OSError, ValueError):  # gone, or not whole on a network's file system
                yield json.loads(path.read_bytes())


def call_of(folder: Path, tasks: Sequence[Task]) -> tuple[Call, str]:
    """The folder of these tasks, by their names and functions, and a hash of all that they are."""
    names = [(task.name, task.function.__module__, task.function.__qualname__) for task in tasks]
    key = hashlib.blake2b(json.dumps(names).encode(), digest_size=8).hexdigest()
    content = sealed.hash_of(list(tasks))
    return Call(folder / key), content


def calls_in(folder: Path) -> list[Call]:
    """The calls of a stage that may have jobs."""
    return [Call(path.parent) for path in sorted(folder.glob(f"*/{_RECORD}"))]


def new_name(stage: str) -> str:
    """A name of jobs: their stage's, so that `squeue` tells, and a number that no other job has."""
    return f"{stage.replace('/', '_')}.{uuid.uuid4().hex[:12]}"
