"""Training curves through dvclive: one TSV a quantity, for `dvc plots`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvclive import Live


class Curves:
    """Writes one value of each quantity a step."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Values of one step (an epoch, a scale)."""
        self._live.step = step
        for name, value in values.items():
            self._live.log_metric(name, float(value), timestamp=False)


@contextmanager
def curves(scratch: Path, folder: Path) -> Iterator[Curves]:
    """Log training curves.

    A run that resumes logs its earlier steps again, so that no step is missing or there twice.

    Args:
        scratch: dvclive's own folder, emptied first.
        folder: where the TSV files (columns step, value) are put at the end.
    """
    from dvclive import Live

    shutil.rmtree(scratch, ignore_errors=True)
    # Neither git nor DVC is dvclive's business here: the pipeline tracks the files itself.
    with Live(str(scratch), save_dvc_exp=False, dvcyaml=None, report=None) as live:
        yield Curves(live)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((scratch / "plots" / "metrics").glob("*.tsv")):
        shutil.copyfile(path, folder / path.name)
