"""What is run: a call by name, and what came of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.runtime.ending import kept
from gbaseg.runtime.room import disk_fault

# Where libraries that do not name a file have most likely written to.
_SCRATCH = Path(".scratch")

# What a task has raised, and what it has returned.
Outcome = tuple[UserError | str | None, Any]


@dataclass(frozen=True)
class Task:
    """One call: `function(**arguments)`. Function and arguments travel to another process (picklable)."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)


class TaskFailed(RuntimeError):
    """A task raised; the message holds its name and its own traceback."""


def attempt(task: Task) -> Outcome:
    """Call a task. Failures travel as text: an exception of a library may not survive pickling."""
    try:
        with kept():
            return None, task.function(**task.arguments)
    except UserError as error:
        return error, None
    except Exception as error:
        return disk_fault(error, [_SCRATCH]) or traceback.format_exc(), None


def raise_failure(name: str, failure: UserError | str | None, where: str = "") -> None:
    """Raise what a task has raised; nothing where it has not.

    Args:
        where: it ran, if not here; for a failure that is no user's mistake.
    """
    if isinstance(failure, UserError):
        raise failure
    if failure is not None:
        raise TaskFailed(f"{name} failed{where}:\n{failure}")
