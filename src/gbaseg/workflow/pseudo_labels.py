"""A round's pseudo-labels: which cases have them for training, and the table of what is known of each."""

from __future__ import annotations

import csv
from pathlib import Path

from gbaseg.cases import Case, read_table, select
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
