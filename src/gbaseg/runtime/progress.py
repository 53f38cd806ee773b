"""Progress of long steps: bars with the time left on a terminal, plain lines elsewhere, through process borders.

A task that runs in a worker process cannot draw on the terminal. It writes where it is into a small file, and the
process that waits for it (`runtime.engine`) shows that. The task itself only ever sees `meter`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Set by the engine in its workers.
REPORT_FOLDER = "GBASEG_PROGRESS_FOLDER"
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_REPORTS = 0.5


def log(message: str) -> None:
    """One line about a step, to standard error."""
    # Work is not to end because the file that its log goes to has no room.
    with suppress(OSError):
        print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


class Meter:
    """How far one task is. `advance` is cheap enough for every training step."""

    def __init__(self, name: str, total: int, sink: Sink, done: int = 0) -> None:
        self.name, self.total, self.done, self.note = name, total, done, ""
        self._sink, self._last = sink, 0.0
        self._report(force=True)

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Count `steps` more as done; `note` (a loss, say) stands beside the bar."""
        self.done += steps
        self.note = self.note if note is None else note
        self._report(force=self.done >= self.total)

    def _report(self, force: bool) -> None:
        now = time.monotonic()
        if force or now - self._last >= _SECONDS_BETWEEN_REPORTS:
            self._last = now
            self._sink.show(self.name, self.done, self.total, self.note)


class Sink(Protocol):
    """Whoever is told how far a task is."""

    def show(self, name: str, done: int, total: int, note: str) -> None: ...


class _FileSink:
    """In a worker: one JSON file a meter, replaced whole, read by `Display.poll`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def show(self, name: str, done: int, total: int, note: str) -> None:
        target = self.folder / f"{name.replace('/', '_')}.json"
        partial = target.with_suffix(f".{os.getpid()}")
        # Nor because the temporary folder has none: a bar stands still.
        with suppress(OSError):
            partial.write_text(json.dumps({"name": name, "done": done, "total": total, "note": note}))
            partial.replace(target)


class Display:
    """Bars on a terminal; elsewhere a line at the start, every 30 s and at the end of each meter."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars: Progress | None = None
        self._ids: dict[str, int] = {}
        self._started: dict[str, float] = {}
        self._printed: dict[str, float] = {}
        self._finished: set[str] = set()

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False),
                console=self._console,
            )  # fmt: skip
            self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, name: str, done: int, total: int, note: str) -> None:
        if self._bars is not None:
            if name not in self._ids:
                self._ids[name] = self._bars.add_task(name, total=total, note=note)
            self._bars.update(self._ids[name], completed=done, total=total, note=note)  # type: ignore[arg-type]
            return
        now = time.monotonic()
        if done < total:
            self._finished.discard(name)
        started = self._started.setdefault(name, now)
        printed = self._printed.setdefault(name, now)
        finished = done >= total and name not in self._finished
        if finished or (now - printed >= _SECONDS_BETWEEN_LINES and done < total):
            self._printed[name] = now
            spent = now - started
            left = f", {_clock(spent / done * (total - done))} left" if 0 < done < total else ""
            log(f"{name}: {done}/{total} in {_clock(spent)}{left}{' · ' + note if note else ''}")
        if done >= total:
            self._finished.add(name)

    def keep(self, names: Collection[str]) -> None:
        """Forget all meters but these: of thousands of tasks those are shown that are under way."""
        for name in self._started.keys() - names:
            for known in (self._started, self._printed):
                known.pop(name, None)
            self._finished.discard(name)
        for name in self._ids.keys() - names:
            if self._bars is not None:
                self._bars.remove_task(self._ids.pop(name))  # type: ignore[arg-type]

    def poll(self, folder: Path) -> None:
        """Show what workers have written into `folder`."""
        for path in sorted(folder.glob("*.json")):
            report = json.loads(path.read_text())
            self.show(report["name"], report["done"], report["total"], report["note"])


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


@contextmanager
def meter(name: str, total: int, done: int = 0) -> Iterator[Meter]:
    """Show the progress of one step.

    Args:
        name: what the line says, unique among the tasks that run side by side.
        total: steps in all.
        done: steps that an earlier, interrupted run has done.
    """
    folder = os.environ.get(REPORT_FOLDER)
    if folder:
        yield Meter(name, total, _FileSink(Path(folder)), done)
        return
    with Display() as display:
        yield Meter(name, total, display, done)
