"""From what the folds say of an image to one mask: ensemble softmax, threshold, largest components, their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_propagation

from gbaseg.segmentation.components import components, largest_components
from gbaseg.segmentation.settings import PredictionSettings

# Value of a voxel of a label that no loss is taken of, as nnU-Net's ignore label.
IGNORED = 255


@dataclass(frozen=True)
class FoldAgreement:
    """How far the folds agree on one case and structure.

    Args:
        pairwise_dice: mean Dice over the pairs of folds of which either finds something; NaN where there is none, as
            for a single fold.
        pieces: connected components of the ensemble's mask before the largest were kept.
        largest_share: share of that mask's voxels which the kept ones hold; 0 where empty.
        volume_mm3: of the final mask, its rim included.
        both_empty: pairs of folds that find nothing, left out of `pairwise_dice`: as agreement they would make folds
            that find nothing the best of all.
    """

    name: str
    structure: str
    pairwise_dice: float
    pieces: int
    largest_share: float
    volume_mm3: float
    both_empty: int = 0


@dataclass(frozen=True)
class Decision:
    """What an ensemble says of one image.

    Args:
        mask: (Z, Y, X) uint8, the structures' values.
        probabilities: (structure, Z, Y, X) float16, the folds' mean softmax; 0 in all that was left out, so that on
            another grid one threshold gives the same pieces (`to_mask`).
        agreements: one a structure.
        disputed: (Z, Y, X), where the folds by themselves do not all say the same.
    """

    mask: np.ndarray
    probabilities: np.ndarray
    agreements: list[FoldAgreement]
    disputed: np.ndarray


@dataclass(frozen=True)
class Votes:
    """What the folds say of one image, before anything is decided.

    Args:
        probabilities: (structure, Z, Y, X) float32, the folds' mean softmax.
        agreement: of each structure the mean Dice over the pairs of folds, and the pairs that find nothing
            (`FoldAgreement`).
        disputed: (Z, Y, X), where the folds by themselves do not all say the same.
    """

    probabilities: np.ndarray
    agreement: list[tuple[float, int]]
    disputed: np.ndarray


def decide(
    folds: np.ndarray, pieces: Mapping[str, int], settings: PredictionSettings, name: str, voxel_mm3: float
) -> Decision:
    """From fold probabilities (fold, class, Z, Y, X) to one mask: `count` and `settle`."""
    return settle(count(folds, len(pieces)), pieces, settings, name, voxel_mm3)


def count(folds: np.ndarray, structures: int) -> Votes:
    """The folds' softmax (fold, class, Z, Y, X), averaged (METHOD 6), and how far they agree.

    Args:
        structures: how many there are; class 0 is the background.
    """
    votes = folds.argmax(axis=1)
    agreement = [_mean_pairwise_dice(votes == value) for value in range(1, structures + 1)]
    return Votes(folds.mean(axis=0)[1:], agreement, (votes != votes[0]).any(axis=0))


def settle(
    votes: Votes, pieces: Mapping[str, int], settings: PredictionSettings, name: str, voxel_mm3: float
) -> Decision:
    """One mask (METHOD 6); `votes.probabilities` become the decision's.

    A voxel belongs to the most probable structure where that reaches `settings.threshold`, under 0.5 also where none
    is more probable; of each structure its `pieces` largest components are kept, and grow or shrink to where the
    structure ends (`settings.end_of`).

    Args:
        pieces: structure -> connected components of it that are kept, in the order of the probabilities.
    """
    probabilities = votes.probabilities
    before = _reaching([settings.threshold] * len(pieces), probabilities)
    cores = _largest(before, pieces)
    ends = [settings.end_of(structure) for structure in pieces]
    mask = _ended(cores, probabilities, pieces, settings.threshold, ends)
    agreements = []
    for value, structure in enumerate(pieces, start=1):
        found = before == value
        pairwise_dice, both_empty = votes.agreement[value - 1]
        agreements.append(
            FoldAgreement(
                name,
                structure,
                pairwise_dice,
                len(components(found)[1]),
                float((cores == value).sum() / found.sum()) if found.any() else 0.0,
                float((mask == value).sum()) * voxel_mm3,
                both_empty,
            )
        )
    left_out = (mask == 0) & (_reaching(ends, probabilities) > 0)
    probabilities[:, left_out] = 0.0
    return Decision(mask, probabilities.astype(np.float16), agreements, votes.disputed)


def volumes_at(
    probabilities: np.ndarray,
    pieces: Mapping[str, int],
    settings: PredictionSettings,
    levels: Sequence[float],
    voxel_mm3: float,
) -> np.ndarray:
    """Volume of each structure's mask, mm3, were the structures to end at a level: (structure, level).

    Args:
        probabilities: as of `Votes`.
        levels: of softmax.
    """
    cores = _largest(_reaching([settings.threshold] * len(pieces), probabilities), pieces)
    counts = []
    for level in levels:
        mask = _ended(cores, probabilities, pieces, settings.threshold, [level] * len(pieces))
        counts.append(np.bincount(mask.ravel(), minlength=len(pieces) + 1)[1:])
    return np.stack(counts, axis=1) * voxel_mm3


def undisputed(mask: np.ndarray, disputed: np.ndarray) -> np.ndarray:
    """A mask (Z, Y, X) for training, with no say in the voxels that the folds do not agree on."""
    return np.where(disputed, IGNORED, mask).astype(np.uint8)


def to_mask(probabilities: np.ndarray, ends: Sequence[float]) -> np.ndarray:
    """From `Decision.probabilities` (structure, Z, Y, X), carried to another grid, to its mask (Z, Y, X), uint8.

    What is kept was decided by `settle`. Anew, a small piece would be lost whose peak lies between this grid's voxels,
    and of one that is narrow somewhere all but the largest part.

    Args:
        ends: softmax at which each structure ends.
    """
    return _reaching(ends, probabilities)


def _reaching(thresholds: Sequence[float], probabilities: np.ndarray) -> np.ndarray:
    """The most probable structure's value where that reaches its threshold."""
    best = probabilities.argmax(axis=0)
    highest = probabilities.max(axis=0)
    wanted = np.asarray(thresholds, probabilities.dtype)
    least = wanted[0] if (wanted == wanted[0]).all() else wanted[best]
    return np.where(highest >= least, best + 1, 0).astype(np.uint8)


def _largest(found: np.ndarray, pieces: Mapping[str, int]) -> np.ndarray:
    mask = np.zeros_like(found)
    for value, keep in enumerate(pieces.values(), start=1):
        mask[largest_components(found == value, keep)] = value
    return mask


def _ended(
    cores: np.ndarray, probabilities: np.ndarray, pieces: Mapping[str, int], threshold: float, ends: Sequence[float]
) -> np.ndarray:
    """Masks whose structures end elsewhere than at the threshold at which `cores` were kept.

    Further out they grow into the voxels they touch where they are the most probable structure (26 neighbours): a
    network that has seen only translated images is unsure at the rim, where their partial volumes are not the real
    ones, and one threshold for all either cuts the rim off or lets other pieces in. A smaller piece that is joined to
    a kept one in this way belongs to it. Further in, what is left of them may be in pieces: the largest are kept.
    """
    if all(end == threshold for end in ends):
        return cores
    best = probabilities.argmax(axis=0) + 1
    mask = cores.copy()
    for (value, keep), end in zip(enumerate(pieces.values(), start=1), ends, strict=True):
        core = cores == value
        if end == threshold or not core.any():
            continue
        reach = (best == value) & (probabilities[value - 1] >= end)
        if end < threshold:
            mask[binary_propagation(core, np.ones((3, 3, 3)), mask=core | reach)] = value
        else:
            mask[core & ~largest_components(core & reach, keep)] = 0
    return mask


def _mean_pairwise_dice(votes: np.ndarray) -> tuple[float, int]:
    """Over the pairs of folds (fold, Z, Y, X) of which either finds something, NaN without; and how many do not."""
    flat = votes.reshape(len(votes), -1).astype(np.float64)
    both = flat @ flat.T
    sizes = np.diag(both)
    pairs = [(i, j) for i in range(len(flat)) for j in range(i)]
    scores = [2 * both[i, j] / (sizes[i] + sizes[j]) for i, j in pairs if sizes[i] + sizes[j] > 0]
    return float(np.mean(scores)) if scores else float("nan"), len(pairs) - len(scores)
