"""Copies of the pseudo-target cases (Eq. 5 to 7): made by one stage, read by those that train on them.

Arm `online` has none: what training may do to a case whenever it is drawn is written down in their place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import volume
from gbaseg.augmentation.adaptive import keep_contrast
from gbaseg.augmentation.alterations.compose import Alterations
from gbaseg.augmentation.appearance import mean_of, ring_around
from gbaseg.augmentation.gba import blend_in
from gbaseg.augmentation.rescale import rescale
from gbaseg.augmentation.rules import Copy, equal_draws, unaltered_share
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
from gbaseg.workflow.altered import Drawn, draw_alterations
from gbaseg.workflow.appearances import coverage
from gbaseg.workflow.changes import write_changes
from gbaseg.workflow.context import read_json, write_json
from gbaseg.workflow.models import load_model

CHOICES = "online.json"
DRAWS = "draws.json"


def make_copies(
    copies: Sequence[Copy], folder: Path, settings: Params, round_id: str, singan: Path = layout.SINGAN_MODEL
) -> None:
    """Make and write copies, their table, and how often training draws each.

    Args:
        copies: as planned.
        folder: where they are put; it is made.
        settings: of the run.
        round_id: whose pseudo-labels say what the target shows, for what copies are given besides another contrast.
        singan: models that blend them in; not looked at by other arms than gba.
    """
    folder.mkdir(parents=True)
    cases, arm = {case.case: case for case in read_table(layout.TRANSLATED)}, settings.augmentation.arm
    write_changes(copies, folder)
    draws = equal_draws(copies, arm) if settings.augmentation.draws == "factors" else {}
    write_json(folder / DRAWS, {name: str(count) for name, count in draws.items()})
    if arm == "online":
        write_json(folder / CHOICES, _choices(copies, settings.labels))
        log(f"{len({copy.case for copy in copies})} cases are rescaled as they are drawn")
        copies = []
    if arm == "gba" and copies:
        import_for_workers("gbaseg.augmentation.singan.harmonise")
    exclusive = is_gpu()
    drawn = draw_alterations(settings, copies, round_id, folder)
    wanted = [
        (cases[name], [(copy, drawn.get(copy.name, Drawn())) for copy in copies if copy.case == name])
        for name in sorted({copy.case for copy in copies})
    ]
    groups = run_tasks(
        [
            Task(
                f"augment {group[0][0].case}",
                augment_cases,
                {"wanted": group, "folder": folder, "settings": settings, "singan": singan},
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


def augment_cases(
    wanted: list[tuple[Case, list[tuple[Copy, Drawn]]]], folder: Path, settings: Params, singan: Path
) -> list[list[Case]]:
    """Make and write the copies of some cases; runs in a worker."""
    return beside_gpu(
        lambda one: write_copies(*one, folder, settings, singan), wanted, f"augment from {wanted[0][0].case}"
    )


def write_copies(
    case: Case, copies: list[tuple[Copy, Drawn]], folder: Path, settings: Params, singan: Path
) -> list[Case]:
    """Make and write the copies of one case."""
    scan = volume.read(layout.TRANSLATED / case.image, np.float32)
    labelled = volume.read(layout.TRANSLATED / case.label)
    spacing = scan.grid.spacing_zyx_mm
    model = on_gpu(load_model, case.case, settings, singan)
    rows = []
    # Copies that differ in the start scale alone are one until they are blended in.
    for (change, drawn), same in groupby(copies, lambda one: (one[0].unblended, one[1])):
        image, array, label = altered(scan.array, labelled.array, change, drawn, settings, spacing)
        mask = np.isin(label, [settings.labels[part.structure] for part in change.parts])
        for copy, _ in same:
            made = array
            if copy.k_star is not None:
                assert model is not None  # arm gba is the only one with start scales
                made = blend_in(
                    image,
                    array,
                    mask,
                    k_star=copy.k_star,
                    model=model,
                    settings=settings.augmentation,
                    seed=derive(settings.seed, "gba", copy.name),
                    others=(label != 0) & ~mask,
                )
                # A factor by hand is the paper's, whatever the SinGAN leaves of it.
                for part in _outermost_first(copy, label, settings, spacing) if copy.number else ():
                    made = keep_contrast(made, array, label, settings.labels[part.structure], spacing)
            row = replace(case, case=copy.name, image=f"images/{copy.name}.nii.gz", label=f"labels/{copy.name}.nii.gz")
            volume.write(scan.with_array(made), folder / row.image)
            volume.write(labelled.with_array(label), folder / row.label)
            rows.append(row)
    return rows


def altered(
    image: np.ndarray,
    label: np.ndarray,
    copy: Copy,
    drawn: Drawn,
    settings: Params,
    spacing: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a copy does to the structures that it alters, before it is blended in (Eq. 5).

    Returns:
        Image and label, both with the structures' new sizes, between them the image with their new contrasts.
    """
    for part in copy.parts:
        image, label = _alterations(part, copy, drawn).resize(image, label, settings.labels[part.structure], spacing)
    array = image
    for part in _outermost_first(copy, label, settings, spacing):
        value = settings.labels[part.structure]
        mask = label == value
        factor, offset = part.change
        if copy.besides and mask.any():
            # A contrast is against the ring, of which another structure may be a part that has just been altered.
            ring = ring_around(label, spacing, value)
            offset += float(np.nan_to_num(mean_of(array, *ring) - mean_of(image, *ring)))
        array = rescale(array, mask, factor, offset)
        array = _alterations(part, copy, drawn).apply(array, mask, spacing, drawn.sample(value))
    return image, array, label


def _alterations(part: Copy, copy: Copy, drawn: Drawn) -> Alterations:
    """What was drawn for a copy is done to the first of its structures; the others have their sizes."""
    return drawn.alterations if part is copy else Alterations(None if part.diameter == 1.0 else part.diameter)


def _outermost_first(
    copy: Copy, label: np.ndarray, settings: Params, spacing: tuple[float, float, float]
) -> Sequence[Copy]:
    """Structures with something unlabelled around them come before those that others enclose."""

    def enclosed(part: Copy) -> bool:
        value = settings.labels[part.structure]
        if not (label == value).any():
            return False
        box, ring = ring_around(label, spacing, value)
        return bool((label[box][ring] != 0).any())

    return sorted(copy.parts, key=enclosed) if copy.besides else copy.parts


def _choices(copies: Sequence[Copy], values: Mapping[str, int]) -> dict[str, list[tuple[int, float, float]]]:
    found: dict[str, list[tuple[int, float, float]]] = {}
    for copy in copies:
        found.setdefault(copy.case, []).append((values[copy.structure], *copy.change))
    return found


def read_choices(folders: Sequence[Path]) -> dict[str, tuple[tuple[int, float, float], ...]]:
    """Arm `online`: case -> (label value, lambda, offset) of each way that it may be rescaled; empty for other arms.

    Args:
        folders: of copies; a case may be rescaled in the ways of all of them.
    """
    found: dict[str, tuple[tuple[int, float, float], ...]] = defaultdict(tuple)
    for path in (folder / CHOICES for folder in folders):
        if path.is_file():
            for case, ways in read_json(path).items():
                found[case] += tuple(map(tuple, ways))
    return dict(found)


def read_draws(folders: Sequence[Path]) -> dict[str, Fraction]:
    """Image -> how often it is drawn, see `equal_draws`; one is drawn more often for each folder that asks for it."""
    found: dict[str, Fraction] = defaultdict(lambda: Fraction(1))
    for folder in folders:
        for name, count in read_json(folder / DRAWS).items():
            found[name] += Fraction(count) - 1
    return dict(found)


def about_copies(
    settings: Params,
    copies: Sequence[Copy],
    folders: Sequence[Path],
    round_id: str,
    called: str,
    besides: Sequence[Copy] = (),
) -> dict[str, Any]:
    """What metrics say of copies: how many, how near they come to the target, and what stays unaltered.

    Args:
        settings: of the run.
        copies: that were planned.
        folders: where all that are trained on lie.
        round_id, called: see `coverage`.
        besides: planned before, and trained on with these.
    """
    made = copies if settings.augmentation.makes_copies else []
    cases = [case.case for case in read_table(layout.TRANSLATED)]
    share = unaltered_share(cases, [*besides, *copies], read_draws(folders), settings.augmentation.arm)
    return {
        "copies": len(made),
        "cases_copied": len({copy.case for copy in made}),
        **coverage(settings, folders, round_id, called),
        "unaltered_share": round(share, 4),
    }
