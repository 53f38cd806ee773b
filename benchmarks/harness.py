"""What the benchmarks share: pairs run turn by turn, and one JSON file a benchmark.

Every figure is a ratio to a baseline that ran in the same process, in turns with it, so that a busy machine slows both.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click

from gbaseg.runtime.device import has_amx, has_bfloat16
from gbaseg.runtime.memory import keep_freed

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "nnunetv2", "SimpleITK", "scipy", "numpy", "MedPy")


@dataclass(frozen=True)
class Figure:
    """One line of docs/performance.md.

    Args:
        what: is measured, with its size.
        value, baseline: medians, in `unit`.
        against: what the baseline is.
        ratio: baseline / value, median over turns; above 1 is faster.
        bar: the least ratio aimed at; None: none.
        note: what else has to be known.
    """

    what: str
    value: float
    baseline: float
    unit: str
    against: str
    ratio: float
    turns: int
    bar: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the ratio reaches its bar; None without one."""
        return None if self.bar is None else self.ratio >= self.bar


@dataclass(frozen=True)
class Table:
    """What no ratio says: rows as wide as `columns`."""

    columns: list[str]
    rows: list[list[str | float]]


def seconds(function: Callable[[], object]) -> float:
    """Of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def in_turns(
    what: str,
    ours: Callable[[], object],
    baseline: Callable[[], object],
    turns: int,
    against: str,
    bar: float | None = None,
    note: str = "",
) -> Figure:
    """Time both, one after the other, `turns` times."""
    keep_freed()  # as in every stage
    pairs = []
    for turn in range(turns):
        # The order changes, so that neither always finds the caches warm.
        first, second = (ours, baseline) if turn % 2 == 0 else (baseline, ours)
        times = {first: seconds(first), second: seconds(second)}
        pairs.append((times[ours], times[baseline]))
        click.echo(f"{what}: turn {turn + 1} of {turns}: {pairs[-1][0]:.4g} s, {against} {pairs[-1][1]:.4g} s")
    return Figure(
        what,
        statistics.median(mine for mine, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        "s",
        against,
        statistics.median(theirs / mine for mine, theirs in pairs),
        turns,
        bar,
        note,
    )


def publish(name: str, figures: list[Figure], table: Table | None = None) -> None:
    """Write `results/NAME.json` and print it."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "script": Path(sys.argv[0]).name,
        "figures": [asdict(figure) for figure in figures],
        **({"table": asdict(table)} if table else {}),
        "machine": machine(),
        "commit": commit(),
        "versions": {package: version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps(content, indent=1) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    click.echo(text)


def commit() -> str:
    """Of this clone, `+` where its code was changed since; figures are kept without git, too."""
    found, changed = _git("rev-parse", "--short=12", "HEAD"), _git("status", "--porcelain", "src")
    return f"{found}{'+' if changed else ''}" if found else "unknown"


def machine() -> str:
    """Processor and cores, and the GPU where there is one."""
    import torch

    instructions = torch.backends.cpu.get_cpu_capability()
    if has_bfloat16():
        instructions += " with AMX" if has_amx() else " with bfloat16"
    names = [line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines() if "model name" in line]
    found = f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores, {instructions}"
    return f"{found}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else found


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8") if Path(path).is_file() else ""


def _git(*words: str) -> str:
    """What git says; empty where there is no git, or no repository."""
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
