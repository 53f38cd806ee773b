"""A round's pseudo-labels: which cases have them for training, and the table of what is known of each."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from gbaseg import volume
from gbaseg.cases import Case, read_table, select
from gbaseg.params import Params
from gbaseg.workflow import layout

TABLE = "pseudo_labels.csv"


def training_cases() -> list[Case]:
    """Of the target: those whose pseudo-labels the next round is trained on."""
    return select(read_table(layout.STANDARD), domain="target", splits=["train"])


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The table of a round's pseudo-labels."""
    with (folder / TABLE).open(newline="") as stream:
        return list(csv.DictReader(stream))


def doubtful_structures(folder: Path) -> dict[str, set[str]]:
    """Case -> structures whose pseudo-label something speaks against; cases without any are not in it."""
    found: dict[str, set[str]] = {}
    for row in read_rows(folder):
        if row["doubts"]:
            found.setdefault(row["case"], set()).add(row["structure"])
    return found


def volumes_mm3(folder: Path, structure: str) -> dict[str, float]:
    """Volume of one structure in each pseudo-label of a round."""
    return {row["case"]: float(row["volume_mm3"]) for row in read_rows(folder) if row["structure"] == structure}


def source_range_mm3(value: int) -> tuple[float, float]:
    """Smallest and largest volume of a structure (label value on the standard grid) in the source's training cases."""
    found = []
    for case in select(read_table(layout.STANDARD), domain="source", splits=["train"]):
        label = volume.read(layout.STANDARD / case.label)
        found.append(float(np.count_nonzero(label.array == value)) * label.grid.voxel_mm3)
    present = [volume_mm3 for volume_mm3 in found if volume_mm3 > 0]
    return (min(present), max(present)) if present else (0.0, 0.0)


def source_ranges_mm3(settings: Params) -> dict[str, tuple[float, float]]:
    """`source_range_mm3` of every structure."""
    return {name: source_range_mm3(value) for name, value in settings.labels.items()}
