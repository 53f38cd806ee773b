"""Segment images with the folds of a model: ensemble softmax, threshold, largest components, their rims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_propagation

from gbaseg import volume
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.turns import beside_gpu, dealt_out
from gbaseg.segmentation.components import components, largest_components
from gbaseg.segmentation.ensemble import IMPORTED, Ensemble
from gbaseg.segmentation.settings import PredictionSettings

# Few enough to share the work out, enough to pay for loading the model.
_CASES_A_TASK = 4
# Value of a voxel of a label that no loss is taken of, as nnU-Net's ignore label.
IGNORED = 255


@dataclass(frozen=True)
class PredictionItem:
    """One image to segment, and where its mask and its probabilities (`Decision.probabilities`, `.npy`) are written.

    `undisputed`: where its mask is written with `IGNORED` in the voxels that the folds do not agree on.
    """

    name: str
    image: Path
    mask: Path
    probabilities: Path
    undisputed: Path | None = None


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


def predict(
    model: Path, items: Sequence[PredictionItem], pieces: Mapping[str, int], settings: PredictionSettings, name: str
) -> list[FoldAgreement]:
    """Segment every item, write its mask (uint8, the image's grid), and say how far the folds agreed.

    Args:
        model: folder written by `train_folds`; every fold in it votes.
        pieces: see `decide`.
    """
    import_for_workers(*IMPORTED)
    exclusive = is_gpu()
    chunks = dealt_out(items, _CASES_A_TASK, exclusive)
    results = run(
        [
            Task(
                f"{name} {index + 1}/{len(chunks)}",
                predict_cases,
                {"model": model, "items": chunk, "pieces": pieces, "settings": settings},
            )
            for index, chunk in enumerate(chunks)
        ],
        name="" if exclusive else f"{name} ({_CASES_A_TASK} cases a step)",
        exclusive=exclusive,
    )
    return [agreement for result in results for agreement in result]


def predict_cases(
    model: Path, items: Sequence[PredictionItem], pieces: Mapping[str, int], settings: PredictionSettings
) -> list[FoldAgreement]:
    """Segment some items in one process. Runs in a worker."""
    ensemble = Ensemble(model, settings)

    def predict_case(item: PredictionItem) -> list[FoldAgreement]:
        scan = volume.read(item.image, np.float32)
        folds = ensemble.fold_probabilities(scan)
        decision = decide(folds, pieces, settings, item.name, scan.grid.voxel_mm3)
        volume.write(scan.with_array(decision.mask), item.mask)
        if item.undisputed is not None:
            volume.write(scan.with_array(undisputed(decision.mask, decision.disputed)), item.undisputed)
        item.probabilities.parent.mkdir(parents=True, exist_ok=True)
        np.save(item.probabilities, decision.probabilities)
        return decision.agreements

    agreements = beside_gpu(predict_case, items, f"predict from {items[0].name}")
    return [agreement for of_case in agreements for agreement in of_case]


def decide(
    folds: np.ndarray, pieces: Mapping[str, int], settings: PredictionSettings, name: str, voxel_mm3: float
) -> Decision:
    """From fold probabilities (fold, class, Z, Y, X) to one mask (METHOD 6): the folds' softmax is averaged.

    A voxel belongs to the most probable structure where that reaches `settings.threshold`, under 0.5 also where none
    is more probable; of each structure its `pieces` largest components are kept, and grow down to `grow_threshold`.

    Args:
        pieces: structure -> connected components of it that are kept; class 0 is the background, and 1, 2, ... are the
            structures in this order.
    """
    probabilities = folds.mean(axis=0)[1:]
    before = _reaching(settings.threshold, probabilities)
    cores = _largest(before, pieces)
    mask = _grown(cores, probabilities, settings)
    votes = folds.argmax(axis=1)
    agreements = []
    for value, structure in enumerate(pieces, start=1):
        found = before == value
        pairwise_dice, both_empty = _mean_pairwise_dice(votes == value)
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
    left_out = (mask == 0) & (_reaching(_lowest(settings), probabilities) > 0)
    probabilities[:, left_out] = 0.0
    return Decision(mask, probabilities.astype(np.float16), agreements, (votes != votes[0]).any(axis=0))


def undisputed(mask: np.ndarray, disputed: np.ndarray) -> np.ndarray:
    """A mask (Z, Y, X) for training, with no say in the voxels that the folds do not agree on."""
    return np.where(disputed, IGNORED, mask).astype(np.uint8)


def to_mask(probabilities: np.ndarray, settings: PredictionSettings) -> np.ndarray:
    """From `Decision.probabilities` (structure, Z, Y, X), carried to another grid, to its mask (Z, Y, X), uint8.

    What is kept was decided by `decide`. Anew, a small piece would be lost whose peak lies between this grid's voxels,
    and of one that is narrow somewhere all but the largest part.
    """
    return _reaching(_lowest(settings), probabilities)


def _lowest(settings: PredictionSettings) -> float:
    return settings.threshold if settings.grow_threshold is None else settings.grow_threshold


def _reaching(threshold: float, probabilities: np.ndarray) -> np.ndarray:
    best = probabilities.argmax(axis=0)
    highest = probabilities.max(axis=0)
    return np.where(highest >= threshold, best + 1, 0).astype(np.uint8)


def _largest(found: np.ndarray, pieces: Mapping[str, int]) -> np.ndarray:
    mask = np.zeros_like(found)
    for value, keep in enumerate(pieces.values(), start=1):
        mask[largest_components(found == value, keep)] = value
    return mask


def _grown(cores: np.ndarray, probabilities: np.ndarray, settings: PredictionSettings) -> np.ndarray:
    """Each structure's mask, grown into the voxels it touches where it is the most probable structure (26 neighbours).

    A network that has seen only translated images is unsure at the rim, where their partial volumes are not the real
    ones: one threshold for all either cuts the rim off or lets other pieces in. A smaller piece that is joined to a
    kept one in this way belongs to it.
    """
    if settings.grow_threshold is None:
        return cores
    best = probabilities.argmax(axis=0) + 1
    mask = cores.copy()
    for value in np.unique(cores[cores > 0]):
        reach = (best == value) & (probabilities[value - 1] >= settings.grow_threshold)
        core = cores == value
        mask[binary_propagation(core, np.ones((3, 3, 3)), mask=core | reach)] = value
    return mask


def _mean_pairwise_dice(votes: np.ndarray) -> tuple[float, int]:
    """Over the pairs of folds (fold, Z, Y, X) of which either finds something, NaN without; and how many do not."""
    flat = votes.reshape(len(votes), -1).astype(np.float64)
    both = flat @ flat.T
    sizes = np.diag(both)
    pairs = [(i, j) for i in range(len(flat)) for j in range(i)]
    scores = [2 * both[i, j] / (sizes[i] + sizes[j]) for i, j in pairs if sizes[i] + sizes[j] > 0]
    return float(np.mean(scores)) if scores else float("nan"), len(pairs) - len(scores)
