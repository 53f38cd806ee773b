"""scratch: what lies in the scratch folder, and its removal by age."""

from __future__ import annotations

import re
import time
from pathlib import Path

from gbaseg.errors import UserError
from gbaseg.runtime.leftovers import Leftover, leftovers, remove_older
from gbaseg.runtime.scratch import ROOT

_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


def run(older_than: str | None, remove: bool) -> None:
    """Print what there is, one line each: words, path, size, age, who is at it; or remove what is old.

    Args:
        older_than: an age such as 7d: only what was last used longer ago.
        remove: remove that, where nobody is at it. Of the store: single entries.

    Raises:
        UserError: no such age; removal without an age.
    """
    seconds = 0.0 if older_than is None else age_of(older_than)
    if remove:
        if older_than is None:
            raise UserError("--remove: say from which age on, such as --older-than 7d")
        removed: list[int] = []

        def told(path: Path, size: int) -> None:
            removed.append(size)
            print(f"removed  {path}  {size_text(size)}")

        remove_older(ROOT, seconds, told)
        print(f"{len(removed)} removed, {size_text(sum(removed))}")
        return
    now = time.time()
    found = [one for one in leftovers(ROOT) if now - one.used >= seconds]
    for line in _lines(found, now):
        print(line)
    at_work = sum(one.holder is not None for one in found)
    print(f"{len(found)} listed, {size_text(sum(one.size for one in found))}, somebody is at {at_work}")


def age_of(text: str) -> float:
    """Seconds of an age such as 30m, 12h, 7d, 2w.

    Raises:
        UserError: not such an age.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text)
    if match is None:
        raise UserError(f"--older-than {text}: not an age; allowed: a number and m, h, d or w, such as 7d")
    return float(match[1]) * _SECONDS[match[2]]


def size_text(size: float) -> str:
    """Bytes in a unit that reads well."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _age_text(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3600.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds) / 60:.0f} min"


def _lines(found: list[Leftover], now: float) -> list[str]:
    """A table, its columns as wide as they have to be."""
    rows = [("what", "where", "size", "unused for", "who is at it")] + [
        (one.what, str(one.path), size_text(one.size), _age_text(now - one.used), str(one.holder or "nobody"))
        for one in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]) for row in rows]
