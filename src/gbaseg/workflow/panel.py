"""A case through every step, as one picture."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from gbaseg import volume
from gbaseg.augmentation.adaptive import keep_contrast
from gbaseg.augmentation.gba import apply_gba, apply_naive
from gbaseg.augmentation.rescale import Change
from gbaseg.augmentation.singan.slices import central_tumour_slice
from gbaseg.cases import Case, read_table, select
from gbaseg.evaluation.overlays import PanelImage, case_panel
from gbaseg.params import Params
from gbaseg.runtime.seeds import derive
from gbaseg.standardise.case import standardise_label
from gbaseg.workflow import layout
from gbaseg.workflow.changes import changed_by, changes_of
from gbaseg.workflow.context import read_record
from gbaseg.workflow.models import Translator, load_model, model_file
from gbaseg.workflow.pseudo_labels import volumes_mm3
from gbaseg.workflow.singans import singan_of

if TYPE_CHECKING:
    from gbaseg.augmentation.singan.model import SinGAN

_ZOOM_MM = 60.0


def draw_panel(settings: Params, structure: str) -> Figure:
    """ceT1, pseudo-target, deconvolved, naive, GBA, and a held-out target case with the last round's prediction.

    The source case is the one with most of the structure; the target case the one of median predicted volume.
    """
    rules = [rule for rule in settings.augmentation.rules if rule.structure == structure]
    last = settings.self_training.last
    drawn = changed_by(rules[0], last) if rules else None
    # Arm none draws nothing for any case.
    case, mask, others, z = source_case(settings, structure, drawn or None)
    scan = volume.read(layout.STANDARD / case.image, np.float32)
    deconvolved, before = Translator(settings)(scan)
    spacing_zyx = scan.grid.spacing_zyx_mm
    images = [
        PanelImage(f"{case.modality} ({case.case})", scan.array[z], reference=mask[z]),
        PanelImage("pseudo-target", before[z], reference=mask[z]),
        PanelImage("deconvolved", deconvolved[z], reference=mask[z]),
    ]
    changes = changes_of(rules[0], case.case, last) if rules else []
    if changes:
        (called, change), k_star = changes[0], rules[0].k_star[-1]
        images.append(PanelImage(f"naive, {called}", apply_naive(deconvolved, mask, *change)[z], reference=mask[z]))
        singan = singan_of(rules[0], last)
        if model_file(case.case, settings, singan).is_file():
            model, seed = load_model(case.case, settings, singan), derive(settings.seed, "panel")
            blended = as_copied(
                deconvolved, mask, others, change, k_star=k_star, model=model, settings=settings, seed=seed,
                spacing=spacing_zyx,
            )  # fmt: skip
            images.append(PanelImage(f"GBA, {called}, k* = {k_star}", blended[z], reference=mask[z]))
    images.append(_target_image(settings, structure))
    return case_panel(images, spacing_yx_mm=spacing_zyx[1:], zoom_mm=_ZOOM_MM)


def as_copied(
    image: np.ndarray,
    mask: np.ndarray,
    others: np.ndarray,
    change: Change,
    *,
    k_star: int,
    model: SinGAN,
    settings: Params,
    seed: int,
    spacing: tuple[float, float, float],
) -> np.ndarray:
    """A volume with one structure as GBA makes it for a copy; one that was drawn keeps its contrast.

    Args:
        mask, others: (Z, Y, X), the structure and all others.
    """
    blended = apply_gba(
        image, mask, factor=change.factor, offset=change.offset, k_star=k_star, model=model,
        settings=settings.augmentation, seed=seed, others=others,
    )  # fmt: skip
    if not change.offset:  # by hand
        return blended
    label = mask.astype(np.uint8) + 2 * others.astype(np.uint8)
    return keep_contrast(blended, apply_naive(image, mask, *change), label, 1, spacing)


def source_case(
    settings: Params, structure: str, among: Collection[str] | None = None
) -> tuple[Case, np.ndarray, np.ndarray, int]:
    """The source case (of some names, or of all) with most of a structure: it, its mask, that of the others (Z, Y, X),
    and its central slice."""
    value, labels = settings.labels[structure], {}
    for case in select(read_table(layout.STANDARD), domain="source", splits=["train"]):
        if among is None or case.case in among:
            labels[case.case] = (case, volume.read(layout.STANDARD / case.label).array)
    case, label = max(labels.values(), key=lambda pair: int(np.count_nonzero(pair[1] == value)))
    mask = label == value
    return case, mask, (label != 0) & ~mask, central_slice(mask)


def central_slice(mask: np.ndarray) -> int:
    """The structure's central slice in a mask (Z, Y, X); the volume's where there is none of it."""
    return central_tumour_slice(mask) if mask.any() else len(mask) // 2


def _target_image(settings: Params, structure: str) -> PanelImage:
    """A held-out target case at the central slice of its prediction."""
    last = settings.self_training.last
    cases = select(read_table(layout.STANDARD), domain="target")
    held_out = [case for case in cases if case.split != "train"] or cases
    volumes = volumes_mm3(layout.pseudo_labelled(last), structure)
    found = sorted((case for case in held_out if volumes[case.case] > 0), key=lambda case: volumes[case.case])
    case = found[len(found) // 2] if found else held_out[0]
    image = volume.read(layout.STANDARD / case.image, np.float32).array
    mask = volume.read(layout.pseudo_labelled(last) / "standard" / f"{case.case}.nii.gz").array
    mask = mask == settings.labels[structure]
    z = central_slice(mask)
    label = reference_mask(settings, structure, case)
    return PanelImage(f"{case.modality} ({case.case})", image[z], mask[z], None if label is None else label[z])


def reference_mask(settings: Params, structure: str, case: Case) -> np.ndarray | None:
    """A structure's label (Z, Y, X) on the standard grid, where the case has one."""
    for scored in read_table(layout.SCORING):
        if scored.case == case.case:
            record = read_record(layout.STANDARD / "records" / f"{case.case}.json")
            label = standardise_label(volume.read(layout.SCORING / scored.label), record)
            return label.array == settings.dataset.label_values[structure]
    return None
