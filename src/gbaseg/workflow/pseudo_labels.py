"""The table of a round's pseudo-labels: what is known of each."""

from __future__ import annotations

import csv
from pathlib import Path

TABLE = "pseudo_labels.csv"


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
