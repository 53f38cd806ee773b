"""A round's pseudo-labels: which cases have them for training, and the table of what is known of each."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
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


def undisputed_of(case: str, folder: Path, fine: bool) -> Path:
    """A training case's label without the voxels that the folds do not agree on; there where that was asked for."""
    return folder / "undisputed" / ("fine" if fine else "standard") / f"{case}.nii.gz"


def weights_by_agreement(folder: Path, trained_on: Mapping[str, set[str]]) -> dict[str, Fraction]:
    """How often to draw each case, 1 on average: in proportion to the folds' agreement on it (pairwise Dice).

    Of several structures the mean. A case without any (no fold finds it by itself, or there is one fold) counts as the
    others' mean.

    Args:
        trained_on: case -> structures whose pseudo-labels are trained on.
    """
    found: dict[str, list[float]] = {name: [] for name in trained_on}
    for row in read_rows(folder):
        if row["structure"] in trained_on.get(row["case"], ()) and not math.isnan(dice := float(row["fold_dice"])):
            found[row["case"]].append(dice)
    means = {name: float(np.mean(dices)) for name, dices in found.items() if dices}
    middle = float(np.mean(list(means.values()))) if means else 0.0
    if middle == 0.0:
        return dict.fromkeys(trained_on, Fraction(1))
    # In tenths: nnU-Net's list of draws is of whole numbers. None is never drawn.
    return {name: max(Fraction(1, 10), Fraction(round(10 * means.get(name, middle) / middle), 10)) for name in found}


def volumes_mm3(folder: Path, structure: str) -> dict[str, float]:
    """Volume of one structure in each pseudo-label of a round."""
    return {row["case"]: float(row["volume_mm3"]) for row in read_rows(folder) if row["structure"] == structure}


def source_volumes_mm3(values: Iterable[int]) -> dict[int, list[tuple[str, float]]]:
    """Centre and volume of structures in the source's training cases, of those that have them.

    Args:
        values: label values on the standard grid.
    """
    found: dict[int, list[tuple[str, float]]] = {value: [] for value in values}
    for case in select(read_table(layout.STANDARD), domain="source", splits=["train"]):
        label = volume.read(layout.STANDARD / case.label)
        for value, volumes in found.items():
            if voxels := np.count_nonzero(label.array == value):
                volumes.append((case.centre, float(voxels) * label.grid.voxel_mm3))
    return found


def source_range_mm3(value: int) -> tuple[float, float]:
    """Smallest and largest volume of a structure (label value on the standard grid) in the source's training cases."""
    return _range(source_volumes_mm3([value])[value])


def source_ranges_mm3(settings: Params) -> dict[str, tuple[float, float]]:
    """`source_range_mm3` of every structure."""
    volumes = source_volumes_mm3(settings.labels.values())
    return {name: _range(volumes[value]) for name, value in settings.labels.items()}


def _range(volumes: Sequence[tuple[str, float]]) -> tuple[float, float]:
    found = [volume_mm3 for _, volume_mm3 in volumes]
    return (min(found), max(found)) if found else (0.0, 0.0)
