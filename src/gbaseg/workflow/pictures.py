"""Pictures of a run: intensities (Fig. 6), naive against GBA (Fig. 8), held-out segmentations (Fig. 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from matplotlib.figure import Figure

from gbaseg import volume
from gbaseg.augmentation.gba import apply_naive
from gbaseg.augmentation.rules import copy_prefix
from gbaseg.augmentation.settings import Rule
from gbaseg.cases import Case, read_table, select
from gbaseg.evaluation.image_figures import (
    BlendingRow,
    OverlayRow,
    naive_against_gba,
    segmentation_overlays,
)
from gbaseg.evaluation.summary import CaseScore
from gbaseg.params import Params
from gbaseg.runtime.seeds import derive
from gbaseg.standardise.intensity import foreground
from gbaseg.workflow import layout
from gbaseg.workflow.changes import changed_by, changes_of
from gbaseg.workflow.models import load_model
from gbaseg.workflow.panel import as_copied, central_slice, reference_mask, source_case
from gbaseg.workflow.pseudo_labels import volumes_mm3
from gbaseg.workflow.singans import singan_of

_ZOOM_MM = 40.0
_OVERLAYS = 4
_T = TypeVar("_T")
_VOXELS = 50_000  # of each case in Fig. 6, at least, where it has as many


def sample_intensities(settings: Params) -> dict[tuple[str, str], list[np.ndarray]]:
    """Fig. 6: (modality, centre) -> intensities of each training case inside its foreground, see `foreground`."""
    # A pseudo-target's foreground is that of the scan that it was made from, which is looked at once: the same head.
    shown = {
        "source": {"source": layout.STANDARD, "pseudo-target": layout.TRANSLATED},
        "target": {"target": layout.STANDARD},
    }
    # In the order in which they are drawn.
    samples: dict[str, dict[tuple[str, str], list[np.ndarray]]] = {name: {} for of in shown.values() for name in of}
    for case in select(read_table(layout.STANDARD), splits=["train"]):
        scan = volume.read(layout.STANDARD / case.image, np.float32).array
        mask = foreground(scan, settings.standardise.foreground)
        for modality, folder in shown[case.domain].items():
            image = scan if folder == layout.STANDARD else volume.read(folder / case.image, np.float32).array
            values = image[mask]
            few = np.clip(values[:: max(1, values.size // _VOXELS)], 0.0, 1.0)
            samples[modality].setdefault((modality, case.centre), []).append(few)
    return {key: cases for of_modality in samples.values() for key, cases in of_modality.items()}


def naive_and_gba(settings: Params, structure: str) -> Figure | None:
    """Fig. 8: every factor of a rule on the largest one that it copied; `None` where GBA made no copies of it."""
    rules = copied_by(settings, structure)
    if not rules:
        return None
    case, mask, others, z = source_case(settings, structure, rules)
    rule = rules[case.case]
    image = volume.read(layout.TRANSLATED / f"images/{case.case}.nii.gz", np.float32)
    last = settings.self_training.last
    model = load_model(case.case, settings, singan_of(rule, last))
    rows = []
    for called, change in changes_of(rule, case.case, last):
        blended = as_copied(
            image.array, mask, others, change, k_star=rule.k_star[-1], model=model, settings=settings,
            seed=derive(settings.seed, "picture", f"{change.factor:g}"), spacing=image.grid.spacing_zyx_mm,
        )  # fmt: skip
        naive = apply_naive(image.array, mask, *change)
        spacing = image.grid.spacing_zyx_mm[1:]
        rows.append(BlendingRow(called, image.array[z], naive[z], blended[z], mask[z], spacing))
    return naive_against_gba(rows, _ZOOM_MM)


def copied_by(settings: Params, structure: str) -> dict[str, Rule]:
    """Case -> the first rule for a structure that GBA copied it by; those cases have a SinGAN."""
    if settings.augmentation.arm != "gba":
        return {}
    folders = layout.copies_of(settings.self_training.last)
    copies = [copy.case for folder in folders for copy in read_table(folder)]
    found: dict[str, Rule] = {}
    for case in read_table(layout.TRANSLATED):
        for rule in settings.augmentation.rules:
            made = any(copy.startswith(copy_prefix(case.case, rule.name)) for copy in copies)
            # Among the changes of a copy that has several rules' (`together`).
            made = made or case.case in (changed_by(rule, settings.self_training.last) or ())
            if made and rule.structure == structure:
                found.setdefault(case.case, rule)
    return found


def overlays(settings: Params, structure: str, scores: Sequence[tuple[str, Sequence[CaseScore]]]) -> Figure:
    """Fig. 9: held-out cases from the worst to the best (without scores: the smallest to the largest), by round.

    Args:
        settings: of the run.
        structure: which is drawn.
        scores: (round, its scores), in order.
    """
    last = settings.self_training.last
    volumes = volumes_mm3(layout.pseudo_labelled(last), structure)
    by_dice = {row.case: row.dice for row in dict(scores).get(last, []) if row.dice == row.dice}
    held_out = [
        case
        for case in select(read_table(layout.STANDARD), domain="target", splits=settings.evaluation.splits)
        if not by_dice or case.case in by_dice
    ]
    ordered = sorted(held_out, key=lambda case: by_dice.get(case.case, volumes[case.case]))
    names = [item.id for item in settings.self_training.rounds]
    rows = []
    for case in evenly(ordered, _OVERLAYS):
        read = read_held_out(settings, structure, case, names)
        wanted = read.reference
        if wanted is None or not wanted.any():
            wanted = read.masks[last]
        dice = {name: row.dice for name, rows_of in scores for row in rows_of if row.case == case.case}
        rows.append(overlay_row(case.case, read, dice, central_slice(wanted)))
    return segmentation_overlays(rows, _ZOOM_MM)


def evenly(found: Sequence[_T], most: int) -> list[_T]:
    """So many of them at most, from the first to the last."""
    places = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return [found[place] for place in places]


class HeldOut(NamedTuple):
    """A target case on the standard grid, with a structure (Z, Y, X) by round as predicted, and as labelled."""

    image: volume.Volume
    masks: dict[str, np.ndarray]
    reference: np.ndarray | None


def read_held_out(settings: Params, structure: str, case: Case, rounds: Sequence[str]) -> HeldOut:
    """Image, masks of some rounds, and the label where the case has one."""
    value = settings.labels[structure]
    masks = {
        name: volume.read(layout.pseudo_labelled(name) / "standard" / f"{case.case}.nii.gz").array == value
        for name in rounds
    }
    image = volume.read(layout.STANDARD / case.image, np.float32)
    return HeldOut(image, masks, reference_mask(settings, structure, case))


def overlay_row(name: str, case: HeldOut, dice: Mapping[str, float], z: int) -> OverlayRow:
    """One slice of a held-out case with its masks; `dice`: round -> that of the whole case."""
    return OverlayRow(
        name,
        case.image.array[z],
        None if case.reference is None else case.reference[z],
        {round_id: mask[z] for round_id, mask in case.masks.items()},
        dice,
        case.image.grid.spacing_zyx_mm[1:],
    )
