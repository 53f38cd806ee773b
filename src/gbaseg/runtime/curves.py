"""Training curves for `dvc plots`: one TSV a quantity, with the columns step and the quantity's name."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class Curves:
    """Writes one value of each quantity a step, at once: what a training has reached can be looked at while it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Values of one step (an epoch, a scale)."""
        for name, value in values.items():
            path = self._folder / f"{name}.tsv"
            begins = not path.exists()
            with path.open("a", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
                if begins:
                    writer.writerow(["step", name])
                writer.writerow([step, float(value)])


@contextmanager
def curves(scratch: Path, folder: Path) -> Iterator[Curves]:
    """Log training curves.

    A run that resumes logs its earlier steps again, so that no step is missing or there twice.

    Args:
        scratch: where they are written, emptied first.
        folder: where the files are put at the end of a training that does not fail.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    yield Curves(scratch)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(scratch.glob("*.tsv")):
        shutil.copyfile(path, folder / path.name)
