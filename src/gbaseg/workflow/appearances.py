"""How structures look in the pseudo-target set, in its copies and in the target: measured, and summed up (Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gbaseg import volume
from gbaseg.augmentation.adaptive import energy_distance
from gbaseg.augmentation.appearance import Appearance, distance, finite, measure, overlap
from gbaseg.augmentation.rules import Measurement
from gbaseg.cases import Case, read_table
from gbaseg.params import Params
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.workflow import layout
from gbaseg.workflow.pseudo_labels import training_cases
from gbaseg.workflow.reviewed import labelled_targets, read_review


class Looks(NamedTuple):
    """A structure in the pseudo-target set, in its copies, and in the target as a round (or the survey) labels it."""

    before: list[Appearance]
    added: list[Appearance]
    target: list[Appearance]


def measured_source(settings: Params, structures: Sequence[str]) -> list[Measurement]:
    """Some structures of each pseudo-target case."""
    cases = read_table(layout.TRANSLATED)
    images = [(layout.TRANSLATED / case.image, layout.TRANSLATED / case.label) for case in cases]
    return _measured(settings, cases, images, structures)


def believed_target(settings: Params, structures: Sequence[str], round_id: str) -> list[Measurement]:
    """Some structures of the target's training cases as a round labels them and a person has left them, without those
    that are doubtful."""
    labelled = labelled_targets(read_review(round_id))
    images = [(layout.STANDARD / one.case.image, one.mask) for one in labelled]
    seen = _measured(settings, [one.case for one in labelled], images, structures)
    doubtful = {one.case.case: one.doubtful for one in labelled}
    return [one for one in seen if one.structure not in doubtful[one.case]]


def _measured(
    settings: Params, cases: Sequence[Case], images: Sequence[tuple[Path, Path]], structures: Sequence[str]
) -> list[Measurement]:
    return [
        Measurement(case.case, case.centre, structure, seen[structure])
        for case, seen in zip(cases, measure_all(settings, images), strict=True)
        for structure in structures
    ]


def measure_all(settings: Params, images: Sequence[tuple[Path, Path]]) -> list[dict[str, Appearance]]:
    """Appearance of every structure, from images and their labels on the standard grid."""
    return run_tasks(
        [
            Task(f"measure {image.name}", measure_case, {"image": image, "label": label, "values": settings.labels})
            for image, label in images
        ],
        name="measure tumours",
        light=True,
    )


def measure_case(image: Path, label: Path, values: dict[str, int]) -> dict[str, Appearance]:
    """Appearance of every structure of a case; runs in a worker."""
    scan, mask = volume.read(image, np.float32), volume.read(label)
    return {name: measure(scan.array, mask.array, scan.grid.spacing_zyx_mm, value) for name, value in values.items()}


def looks(settings: Params, copies: Sequence[Path], round_id: str) -> dict[str, Looks]:
    """Fig. 7 of each structure.

    Args:
        settings: of the run.
        copies: folders of copies, each with a table of its cases.
        round_id: whose pseudo-labels say where the target's structures are.
    """
    labels = layout.pseudo_labelled(round_id) / "standard"

    def of_tables(folders: Sequence[Path]) -> dict[str, list[Appearance]]:
        tables = [(folder / case.image, folder / case.label) for folder in folders for case in read_table(folder)]
        return _present(settings, tables)

    before, added = of_tables([layout.TRANSLATED]), of_tables(copies)
    target = _present(settings, [(layout.STANDARD / c.image, labels / f"{c.case}.nii.gz") for c in training_cases()])
    return {name: Looks(before[name], added[name], target[name]) for name in settings.labels}


def _present(settings: Params, images: Sequence[tuple[Path, Path]]) -> dict[str, list[Appearance]]:
    """How each structure looks in each image; without those where it is absent."""
    groups = measure_all(settings, images)
    return {name: [seen[name] for seen in groups if seen[name].volume_mm3 > 0] for name in settings.labels}


def coverage(settings: Params, copies: Sequence[Path], round_id: str, called: str) -> dict[str, Any]:
    """Appearance before and after copies, against the target as a round labels it (Fig. 7 in numbers).

    Args:
        settings, copies, round_id: see `looks`.
        called: what the keys call that round.
    """
    others = {name: _change(seen, called) for name, seen in looks(settings, copies, round_id).items()}
    tumour = others.pop(settings.dataset.tumour)
    return {"tumour_mean": tumour.pop("mean"), **tumour, **({"others": others} if others else {})}


def _change(seen: Looks, called: str) -> dict[str, Any]:
    def mean(group: list[Appearance]) -> float | None:
        values = finite(group, "mean")
        return round(float(values.mean()), 4) if len(values) else None

    def defined(found: float) -> float | None:
        return round(found, 4) if np.isfinite(found) else None

    groups, target = {"before": seen.before, "after": seen.before + seen.added}, seen.target
    return {
        "mean": {**{name: mean(group) for name, group in groups.items()}, called: mean(target)},
        f"contrast_distance_to_{called}": {name: defined(distance(group, target)) for name, group in groups.items()},
        f"overlap_with_{called}": {name: defined(overlap(group, target)) for name, group in groups.items()},
        f"energy_distance_to_{called}": {
            name: defined(energy_distance(group, target)) for name, group in groups.items()
        },
    }
