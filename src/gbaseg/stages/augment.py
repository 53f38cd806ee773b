"""augment: copies of the pseudo-target cases that the rules select, rescaled and blended in (Eq. 5 to 7).

Arm `online` has none: what training may do to a case whenever it is drawn is written down in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.augmentation.adaptive import energy_distance
from gbaseg.augmentation.appearance import Appearance, distance, finite, measure, overlap
from gbaseg.augmentation.gba import apply_gba, apply_naive
from gbaseg.augmentation.rules import Copy, Measurement, equal_draws, plan_copies, shown_of, unaltered_share
from gbaseg.augmentation.settings import structures
from gbaseg.cases import Case, read_table, write_table
from gbaseg.params import Params
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.progress import log
from gbaseg.runtime.seeds import derive
from gbaseg.runtime.turns import beside_gpu, dealt_out, on_gpu
from gbaseg.workflow import layout
from gbaseg.workflow.changes import write_changes
from gbaseg.workflow.context import read_json, stage, write_json
from gbaseg.workflow.models import load_model
from gbaseg.workflow.pseudo_labels import doubtful_structures, training_cases

CHOICES = "online.json"
DRAWS = "draws.json"


def run() -> None:
    """Run the stage."""
    settings = params.load()
    metrics = layout.METRICS / "appearance.json"
    inputs = [layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(layout.SURVEY), layout.SINGAN_MODEL]
    with stage("augment", {}, inputs, [layout.AUGMENTED, metrics]) as scratch:
        folder = scratch.output(layout.AUGMENTED)
        folder.mkdir()
        cases = {case.case: case for case in read_table(layout.TRANSLATED)}
        if settings.augmentation.arm == "gba":
            import_for_workers("gbaseg.augmentation.singan.harmonise")
        copies = planned_copies(settings, layout.TRANSLATED)
        if settings.augmentation.arm != "none" and not copies:
            log("warning: no rule of augmentation.rules selects a case: this arm equals arm none")
        arm = settings.augmentation.arm
        write_changes(copies, folder)
        draws = equal_draws(copies, arm) if settings.augmentation.draws == "factors" else {}
        write_json(folder / DRAWS, {name: str(count) for name, count in draws.items()})
        unaltered = round(unaltered_share(list(cases), copies, draws, arm), 4)
        if arm == "online":
            write_json(folder / CHOICES, _choices(copies, settings.labels))
            log(f"{len({copy.case for copy in copies})} cases are rescaled as they are drawn")
            copies = []
        exclusive = is_gpu()
        names = sorted({copy.case for copy in copies})
        wanted = [(cases[name], [copy for copy in copies if copy.case == name]) for name in names]
        groups = run_tasks(
            [
                Task(
                    f"augment {group[0][0].case}",
                    augment_cases,
                    {"wanted": group, "folder": folder, "settings": settings},
                )
                for group in dealt_out(wanted, 1, exclusive)
            ],
            name="" if exclusive else "augment",
            exclusive=exclusive,
        )
        rows = [rows for group in groups for rows in group]
        write_table([row for of_case in rows for row in of_case], folder)
        if settings.augmentation.makes_copies:
            log(f"{len(copies)} copies of {len(rows)} cases")
        write_json(scratch.output(metrics), {**_summary(settings, folder, copies), "unaltered_share": unaltered})


def read_choices() -> dict[str, tuple[tuple[int, float, float], ...]]:
    """Arm `online`: case -> (label value, lambda, offset) of each way that it may be rescaled; empty for other arms."""
    path = layout.AUGMENTED / CHOICES
    if not path.is_file():
        return {}
    return {case: tuple(map(tuple, ways)) for case, ways in read_json(path).items()}


def read_draws() -> dict[str, Fraction]:
    """Image -> how often it is drawn, see `equal_draws`."""
    return {name: Fraction(count) for name, count in read_json(layout.AUGMENTED / DRAWS).items()}


def _choices(copies: list[Copy], values: Mapping[str, int]) -> dict[str, list[tuple[int, float, float]]]:
    found: dict[str, list[tuple[int, float, float]]] = {}
    for copy in copies:
        found.setdefault(copy.case, []).append((values[copy.structure], *copy.change))
    return found


def planned_copies(settings: Params, translated: Path) -> list[Copy]:
    """What the rules ask for, from the tumours as they look on the pseudo-target images.

    A rule with adaptive copies goes by the target's training cases as well, as the survey labels them, without
    those that are doubtful.
    """
    rules, arm = settings.augmentation.rules, settings.augmentation.arm
    if arm == "none":
        return []
    cases = read_table(translated)
    images = [(translated / case.image, translated / case.label) for case in cases]
    measurements = _measured(settings, cases, images, structures(rules))
    adaptive = [rule for rule in rules if rule.adaptive]
    target: list[Measurement] = []
    if adaptive:
        folder = layout.pseudo_labelled(layout.SURVEY)
        doubtful, real = doubtful_structures(folder), training_cases()
        images = [(layout.STANDARD / case.image, folder / "standard" / f"{case.case}.nii.gz") for case in real]
        seen = _measured(settings, real, images, structures(adaptive))
        target = [one for one in seen if one.structure not in doubtful.get(one.case, ())]
        for rule in adaptive:
            for line in shown_of(rule, measurements, target):
                log(line)
    return plan_copies(rules, measurements, arm, target, settings.seed)


def _measured(
    settings: Params, cases: Sequence[Case], images: Sequence[tuple[Path, Path]], wanted: Sequence[str]
) -> list[Measurement]:
    """The wanted structures of each case, from its image and label on the standard grid."""
    return [
        Measurement(case.case, case.centre, structure, seen[structure])
        for case, seen in zip(cases, measure_all(settings, images), strict=True)
        for structure in wanted
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


def augment_cases(wanted: list[tuple[Case, list[Copy]]], folder: Path, settings: Params) -> list[list[Case]]:
    """Make and write the copies of some cases; runs in a worker."""
    return beside_gpu(lambda one: write_copies(*one, folder, settings), wanted, f"augment from {wanted[0][0].case}")


def write_copies(case: Case, copies: list[Copy], folder: Path, settings: Params) -> list[Case]:
    """Make and write the copies of one case."""
    image = volume.read(layout.TRANSLATED / case.image, np.float32)
    label = volume.read(layout.TRANSLATED / case.label)
    model = on_gpu(load_model, case.case, settings)
    rows = []
    for copy in copies:
        mask = label.array == settings.labels[copy.structure]
        if copy.k_star is None:
            array = apply_naive(image.array, mask, *copy.change)
        else:
            assert model is not None  # arm gba is the only one with start scales
            array = apply_gba(
                image.array,
                mask,
                factor=copy.factor,
                offset=copy.offset,
                k_star=copy.k_star,
                model=model,
                settings=settings.augmentation,
                seed=derive(settings.seed, "gba", copy.name),
                others=(label.array != 0) & ~mask,
            )
        row = replace(case, case=copy.name, image=f"images/{copy.name}.nii.gz", label=f"labels/{copy.name}.nii.gz")
        volume.write(image.with_array(array), folder / row.image)
        volume.write(label, folder / row.label)
        rows.append(row)
    return rows


def appearances(settings: Params, images: list[tuple[Path, Path]]) -> dict[str, list[Appearance]]:
    """How each structure looks in each (image, label) on the standard grid; without those where it is absent."""
    groups = measure_all(settings, images)
    return {name: [seen[name] for seen in groups if seen[name].volume_mm3 > 0] for name in settings.labels}


def appearance_groups(
    settings: Params, augmented: Path, round_id: str
) -> dict[str, tuple[list[Appearance], list[Appearance], list[Appearance]]]:
    """Fig. 7 of each structure: in the pseudo-target set, in its copies, and in the target as a round labels it."""
    labels = layout.pseudo_labelled(round_id) / "standard"
    cases = training_cases()
    before, added = (
        appearances(settings, [(folder / case.image, folder / case.label) for case in read_table(folder)])
        for folder in (layout.TRANSLATED, augmented)
    )
    target = appearances(settings, [(layout.STANDARD / c.image, labels / f"{c.case}.nii.gz") for c in cases])
    return {name: (before[name], added[name], target[name]) for name in settings.labels}


def _summary(settings: Params, folder: Path, copies: list[Copy]) -> dict[str, Any]:
    """Appearance before and after, against the survey's pseudo-labelled target (Fig. 7 in numbers)."""
    groups = appearance_groups(settings, folder, layout.SURVEY)
    others = {name: _change(*of_structure) for name, of_structure in groups.items()}
    tumour = others.pop(settings.dataset.tumour)
    return {
        "copies": len(copies),
        "cases_copied": len({copy.case for copy in copies}),
        "tumour_mean": tumour.pop("mean"),
        **tumour,
        **({"others": others} if others else {}),
    }


def _change(before: list[Appearance], added: list[Appearance], target: list[Appearance]) -> dict[str, Any]:
    def mean(group: list[Appearance]) -> float | None:
        values = finite(group, "mean")
        return round(float(values.mean()), 4) if len(values) else None

    def defined(found: float) -> float | None:
        return round(found, 4) if np.isfinite(found) else None

    groups = {"before": before, "after": before + added}
    return {
        "mean": {"before": mean(before), "after": mean(before + added), "survey": mean(target)},
        "contrast_distance_to_survey": {name: defined(distance(group, target)) for name, group in groups.items()},
        "overlap_with_survey": {name: defined(overlap(group, target)) for name, group in groups.items()},
        "energy_distance_to_survey": {name: defined(energy_distance(group, target)) for name, group in groups.items()},
    }
