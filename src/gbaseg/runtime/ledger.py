"""What a stage took: seconds, and joules where the machine tells. A log beside the results, never a result.

Nothing of it is versioned: two runs from equal data are equal but for this.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gbaseg.runtime.progress import log

LEDGER = Path("logs/stages.jsonl")
# Intel's and AMD's energy counters of the packages; readable by root alone on many machines.
_COUNTERS = Path("/sys/class/powercap")
# What `entry` writes at the least; report and cost read them.
_EVERY_LINE = {"stage", "seconds"}


@contextmanager
def entry(name: str, about: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """Append one line for a stage that succeeds: its name, when, seconds, joules of the processors, and `about`.

    `about` is asked at the end, when the time is taken: it may look at what the stage has written.

    Joules are the whole machine's while the stage ran, other work included; `null` where no counter can be read. A
    GPU's are not in them.
    """
    started, before = time.monotonic(), _energy_uj()
    yield
    seconds, after = time.monotonic() - started, _energy_uj()
    line = {
        "stage": name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "joules": _difference(before, after),
        "machine": platform.node(),
        **about(),
    }
    try:
        _append(line)
    except OSError as error:
        # The results stand already, and a stage that fails now would be done again.
        log(f"warning: {LEDGER}: what {name} took is not noted ({error.strerror})")


def _append(line: Mapping[str, Any]) -> None:
    """Add one line, whole and on its own, whatever others write at the same time or have left half-written."""
    LEDGER.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(line).encode() + b"\n"
    with LEDGER.open("a+b", buffering=0) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        end = stream.seek(0, os.SEEK_END)
        if end:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                content = b"\n" + content  # closes what a killed writer has left
        written = stream.write(content)
        if written != len(content):
            os.ftruncate(stream.fileno(), end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(LEDGER))


def read_lines() -> list[dict[str, Any]]:
    """All lines, in the order the stages finished; empty without a ledger. A line that is torn is passed over."""
    if not LEDGER.is_file():
        return []
    lines = (_line(text) for text in LEDGER.read_bytes().splitlines())
    return [line for line in lines if line is not None]


def _line(text: bytes) -> dict[str, Any] | None:
    """A stage's line; None where a writer was killed in the middle of it."""
    try:
        line = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    return line if isinstance(line, dict) and line.keys() >= _EVERY_LINE else None


def read_ledger() -> dict[str, dict[str, Any]]:
    """The last line of every stage, in the order they finished; empty without a ledger."""
    lines: dict[str, dict[str, Any]] = {}
    for line in read_lines():
        lines.pop(line["stage"], None)
        lines[line["stage"]] = line
    return lines


def _energy_uj() -> dict[str, tuple[int, int]]:
    """Counter and its range, in microjoules, of each processor package."""
    found = {}
    for folder in sorted(_COUNTERS.glob("*-rapl:?")):
        try:
            found[folder.name] = (
                int((folder / "energy_uj").read_text()),
                int((folder / "max_energy_range_uj").read_text()),
            )
        except (OSError, ValueError):
            continue  # not readable here: no energy, which the ledger says by null
    return found


def _difference(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> float | None:
    common = before.keys() & after.keys()
    if not common:
        return None
    # A counter starts again at its range.
    return round(sum((after[name][0] - before[name][0]) % before[name][1] for name in common) / 1e6, 1)
