"""One thing that is wrong with a data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the data set.

    `case` or `file` is empty where the fault is not that of one case or file. `whole_set` marks what leaving a
    case out does not mend (or not without an arbitrary choice): it stops the run whatever `on_bad_case` says.
    """

    case: str
    file: str
    found: str
    allowed: str
    whole_set: bool = False

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.case, self.file) if part) or "data set"
        return f"{where}: {self.found}; allowed: {self.allowed}"
