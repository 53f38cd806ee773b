"""The first picture of a run, within a minute: a case of either modality, and what is to be learnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gbaseg import volume
from gbaseg.cases import Case, select
from gbaseg.evaluation.overlays import PanelImage, case_panel
from gbaseg.params import Params

# Of so many source cases the one with the largest tumour is shown: reading every label of a large set takes minutes.
_LOOKED_AT = 12
_SIDE_INCHES = 2.6


def first_look(settings: Params, cases: Sequence[Case], standard: Path) -> Figure:
    """A labelled slice of a source case, and about the same height of another patient's target scan.

    No label of the target is read: none is known when it is learnt.

    Args:
        settings: of the run.
        cases: as standardised.
        standard: the folder that they lie in.
    """
    tumour, *others = settings.labels
    # Of several a line of their own.
    names = f"\n{', '.join(settings.labels)} are" if others else f" {tumour} is"
    images: list[PanelImage] = []
    spacing, patient, height = (1.0, 1.0), "", 0.5
    if sources := select(cases, domain="source", splits=["train"]):
        source, label = _largest(sources, settings.labels[tumour], standard)
        mask = label == settings.labels[tumour]
        scan = volume.read(standard / source.image, np.float32)
        areas = np.count_nonzero(mask, axis=(1, 2))
        z = int(areas.argmax()) if areas.any() else len(areas) // 2
        patient, height, spacing = source.patient, (z + 0.5) / len(areas), scan.grid.spacing_zyx_mm[1:]
        images.append(PanelImage(f"{source.modality}:{names} labelled", scan.array[z], reference=label[z] > 0))
    if targets := select(cases, domain="target", splits=["train"]):
        target = next((case for case in targets if case.patient != patient), targets[0])
        scan = volume.read(standard / target.image, np.float32)
        spacing = scan.grid.spacing_zyx_mm[1:]
        z = int(height * len(scan.array))
        images.append(PanelImage(f"{target.modality}: no label;{names} to be found", scan.array[z]))
    return case_panel(images, spacing, side_inches=_SIDE_INCHES)


def _largest(sources: Sequence[Case], value: int, standard: Path) -> tuple[Case, np.ndarray]:
    """Of some source cases the one with the largest structure, and its label (Z, Y, X)."""
    looked_at = sources[:: -(-len(sources) // _LOOKED_AT)]
    labels = [(case, volume.read(standard / case.label).array) for case in looked_at if case.label]
    return max(labels, key=lambda pair: np.count_nonzero(pair[1] == value))
