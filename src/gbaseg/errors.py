"""Errors that are the user's to mend, and their words: no traceback. The command ends with the error's exit code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


class UserError(Exception):
    """A mistake in the data, the settings or the call. The message says what to do."""

    exit_code = 1


class SomeFailed(UserError):
    """Some of the scans could not be done, the others were."""

    exit_code = 2


class BadCases(UserError):
    """Faults of a data set, all of them in one report."""

    def __init__(self, faults: Sequence[str], advice: str = "") -> None:
        self.faults = list(faults)
        lines = [f"{len(self.faults)} fault(s) in the data set:", *(f"  - {fault}" for fault in self.faults)]
        self._advice = advice
        super().__init__("\n".join([*lines, advice] if advice else lines))

    def __reduce__(self) -> tuple[type[BadCases], tuple[list[str], str]]:
        return BadCases, (self.faults, self._advice)  # from a worker to its parent


def some_of(names: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """Names in a message, which is no list of all: `a, b and 7 more`."""
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def as_text(path: Path) -> str:
    """A path for a message or table; bytes that are not UTF-8 as `\\xe9`."""
    return os.fsencode(path).decode(errors="backslashreplace")


def is_text(path: Path) -> bool:
    """Whether all of a path is UTF-8."""
    return as_text(path) == str(path)
