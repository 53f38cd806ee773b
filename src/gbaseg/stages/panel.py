"""A case through every step, as one picture."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from matplotlib.figure import Figure

from gbaseg import volume
from gbaseg.augmentation.gba import apply_gba, apply_naive
from gbaseg.augmentation.singan.slices import central_tumour_slice
from gbaseg.cases import Case, read_table, select
from gbaseg.evaluation.overlays import PanelImage, case_panel
from gbaseg.params import Params
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.seeds import derive
from gbaseg.stages import layout
from gbaseg.stages.context import read_record
from gbaseg.stages.pseudo_label import volumes_mm3
from gbaseg.stages.translate import Translator
from gbaseg.standardise.case import standardise_label

_ZOOM_MM = 60.0


def draw_panel(settings: Params) -> Figure:
    """ceT1, pseudo-target, deconvolved, naive, GBA, and a held-out target case with the last round's prediction.

    The source case is the one with the largest tumour; the target case the one of median predicted volume.
    """
    case, mask, z = source_case(settings)
    scan = volume.read(layout.STANDARD / case.image, np.float32)
    deconvolved, before = Translator(settings)(scan)
    spacing_zyx = scan.grid.spacing_zyx_mm
    images = [
        PanelImage(f"{case.modality} ({case.case})", scan.array[z], reference=mask[z]),
        PanelImage("pseudo-target", before[z], reference=mask[z]),
        PanelImage("deconvolved", deconvolved[z], reference=mask[z]),
    ]
    rules = settings.augmentation.rules
    if rules:
        factor, k_star = rules[0].lambdas[0], rules[0].k_star[-1]
        images.append(
            PanelImage(f"naive, λ = {factor:g}", apply_naive(deconvolved, mask, factor)[z], reference=mask[z])
        )
        path = layout.SINGAN_MODEL / "shared.safetensors"
        if not path.is_file():
            path = layout.SINGAN_MODEL / f"{case.case}.safetensors"
        if path.is_file():
            from gbaseg.augmentation.singan.model import load_singan

            blended = apply_gba(
                deconvolved,
                mask,
                factor=factor,
                k_star=k_star,
                model=load_singan(path, choose_device()),
                settings=settings.augmentation,
                seed=derive(settings.seed, "panel"),
            )
            images.append(PanelImage(f"GBA, λ = {factor:g}, k* = {k_star}", blended[z], reference=mask[z]))
    images.append(_target_image(settings))
    return case_panel(images, spacing_yx_mm=spacing_zyx[1:], zoom_mm=_ZOOM_MM)


def source_case(settings: Params, among: Collection[str] | None = None) -> tuple[Case, np.ndarray, int]:
    """The source case (of some names, or of all) with the largest tumour, its mask (Z, Y, X), and its central slice."""
    value = settings.labels[settings.dataset.tumour]
    masks = {}
    for case in select(read_table(layout.STANDARD), domain="source", splits=["train"]):
        if among is None or case.case in among:
            masks[case.case] = (case, volume.read(layout.STANDARD / case.label).array == value)
    case, mask = max(masks.values(), key=lambda pair: int(pair[1].sum()))
    return case, mask, central_tumour_slice(mask)


def _target_image(settings: Params) -> PanelImage:
    """A held-out target case at the central slice of its prediction."""
    tumour, last = settings.dataset.tumour, settings.self_training.last
    cases = select(read_table(layout.STANDARD), domain="target")
    held_out = [case for case in cases if case.split != "train"] or cases
    volumes = volumes_mm3(layout.pseudo_labelled(last), tumour)
    found = sorted((case for case in held_out if volumes[case.case] > 0), key=lambda case: volumes[case.case])
    case = found[len(found) // 2] if found else held_out[0]
    image = volume.read(layout.STANDARD / case.image, np.float32).array
    mask = volume.read(layout.pseudo_labelled(last) / "standard" / f"{case.case}.nii.gz").array
    mask = mask == settings.labels[tumour]
    z = central_tumour_slice(mask) if mask.any() else image.shape[0] // 2
    label = reference_mask(settings, case)
    return PanelImage(f"{case.modality} ({case.case})", image[z], mask[z], None if label is None else label[z])


def reference_mask(settings: Params, case: Case) -> np.ndarray | None:
    """The tumour's label (Z, Y, X) on the standard grid, where the case has one."""
    for scored in read_table(layout.SCORING):
        if scored.case == case.case:
            record = read_record(layout.STANDARD / "records" / f"{case.case}.json")
            label = standardise_label(volume.read(layout.SCORING / scored.label), record)
            return label.array == settings.dataset.tumour_label
    return None
