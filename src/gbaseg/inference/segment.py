"""One scan segmented: its mask, what is known of it and, where asked for, how sure the networks are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from gbaseg import volume
from gbaseg.inference.likeness import unlike_target
from gbaseg.inference.model import Model
from gbaseg.inference.scans import Standardised
from gbaseg.inference.statistics import Statistics, statistics_of
from gbaseg.runtime.whole import written_whole
from gbaseg.segmentation.decision import FoldAgreement, decide
from gbaseg.self_training.confidence import OUTSIDE, doubts
from gbaseg.standardise.case import StandardCase
from gbaseg.workflow.scan_masks import carried_to_scan, on_scan


@dataclass(frozen=True)
class Found:
    """One structure of a mask.

    Args:
        structure: its name.
        volume_mm3: in the mask, on the scan's own grid.
        pieces: connected components of what the folds found together, before the largest were kept.
        fold_dice: mean Dice over the pairs of folds of which either finds something; NaN where there is none.
        warnings: what speaks against it, the scan's own last; empty where nothing does.
    """

    structure: str
    volume_mm3: float
    pieces: int
    fold_dice: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Segmentation:
    """What a model says of a scan; every volume lies on the scan's own grid.

    Args:
        mask: uint8, 0 or a structure's value.
        values: structure -> its value.
        found: what is known of each structure.
        scan: the scan.
        probabilities: structure -> the folds' mean softmax, float32, before components are chosen and 0 outside of
            the box that the networks saw; empty where they were not asked for.
        uncertainty: `disagreement`, float32; None where it was not asked for.
    """

    mask: volume.Volume
    values: Mapping[str, int]
    found: tuple[Found, ...]
    scan: volume.Volume
    probabilities: Mapping[str, volume.Volume] = field(default_factory=dict)
    uncertainty: volume.Volume | None = None

    def statistics(self) -> list[Statistics]:
        """Size and mean intensity of every structure, in the order of `values`."""
        return [statistics_of(name, self.mask, value, self.scan.array) for name, value in self.values.items()]

    def write(self, path: str | Path) -> None:
        """Write the mask, whole or not at all; the suffix says the format.

        Raises:
            UserError: a suffix that is not written.
        """
        with written_whole(Path(path)) as partial:
            volume.write(self.mask, partial)


def segment(
    given: Standardised, model: Model, name: str, *, probabilities: bool = False, uncertainty: bool = False
) -> Segmentation:
    """Segment a scan that was standardised for the model.

    Args:
        name: of the scan.
        probabilities, uncertainty: see `Segmentation`; each is a float32 volume on the scan's grid.

    Raises:
        UserError: the networks give numbers that are not finite.
    """
    settings, record = model.settings, given.record
    folds = model.ensemble.fold_probabilities(given.image)
    more: dict[str, volume.Volume] = {}
    apart = None
    if probabilities:
        carried = carried_to_scan(folds.mean(axis=0)[1:], record)
        more = dict(zip(settings.labels, carried, strict=True))
    if uncertainty:
        [apart] = carried_to_scan(disagreement(folds)[None], record)
    decision = decide(folds, settings.pieces, settings.segmentation.prediction, name, given.image.grid.voxel_mm3)
    del folds
    mask = on_scan(decision.probabilities, record, settings)
    unlike = unlike_target(given, model.target)
    found = tuple(
        _found(about, mask, decision.mask == model.ensemble.structures[about.structure], model, record, unlike)
        for about in decision.agreements
    )
    return Segmentation(mask, settings.dataset.label_values, found, given.scan, more, apart)


def disagreement(folds: np.ndarray) -> np.ndarray:
    """How far the folds are apart at each voxel (Z, Y, X), float32: 0 all say the same, 1 each two rule out each
    other's answer.

    Mean over the pairs of folds of the total variation distance of their softmax (half the sum of |p - q| over the
    classes): what another training would change. Not the entropy of their mean, which is as high where all folds are
    undecided alike, as at every edge, as where each is sure of something else. All 0 for a single fold, which has no
    other to disagree with.

    Args:
        folds: softmax (fold, class, Z, Y, X).
    """
    pairs = list(combinations(range(len(folds)), 2))
    total = np.zeros(folds.shape[2:], np.float32)
    for one, other in pairs:
        for mine, theirs in zip(folds[one], folds[other], strict=True):
            total += np.abs(mine - theirs)
    return total / np.float32(2 * max(len(pairs), 1))


def _found(
    about: FoldAgreement, mask: volume.Volume, seen: np.ndarray, model: Model, record: StandardCase, unlike: list[str]
) -> Found:
    """What is known of one structure.

    Args:
        seen: its mask (Z, Y, X) on the networks' grid.
        unlike: what of the scan is unlike the target's.
    """
    structure, settings = about.structure, model.settings
    inside = mask.array == settings.dataset.label_values[structure]
    volume_mm3 = float(np.count_nonzero(inside)) * mask.grid.voxel_mm3
    low, high = model.ranges_mm3.get(structure, (0.0, np.inf))
    warnings = [
        f"{doubt} ({low:.0f} to {high:.0f} mm3)" if doubt == OUTSIDE else doubt
        for doubt in doubts(
            settings.self_training.confidence,
            pairwise_dice=about.pairwise_dice,
            both_empty=about.both_empty,
            largest_share=about.largest_share,
            volume_mm3=volume_mm3,
            source_range_mm3=(low, high),
        )
    ]
    if _at_edge(seen):
        warnings.append("at the crop's edge")
    if _at_edge(inside):
        warnings.append("at the scan's edge")
    said = (*warnings, *record.notes, *unlike)
    return Found(structure, volume_mm3, about.pieces, about.pairwise_dice, said)


def _at_edge(inside: np.ndarray) -> bool:
    """Whether a mask (Z, Y, X) has a voxel in an outermost plane: it may go on outside."""
    return any(bool(np.take(inside, [0, -1], axis=axis).any()) for axis in range(inside.ndim))
