"""How far a pseudo-label is to be trusted (METHOD 6, confidence)."""

from __future__ import annotations

import math

from gbaseg.self_training.settings import ConfidenceSettings

OUTSIDE = "volume outside the source's range"


def doubts(
    settings: ConfidenceSettings,
    *,
    pairwise_dice: float,
    both_empty: int = 0,
    largest_share: float,
    volume_mm3: float,
    source_range_mm3: tuple[float, float],
) -> list[str]:
    """Why a pseudo-label should not be trained on; empty where nothing speaks against it.

    Everything is judged relative to size, so that small tumours survive: the range is the source's own, pieces count
    by their share of the mask, and Dice between folds is relative by itself. One call a structure: another one's
    pseudo-label in the same case is judged by itself.

    Args:
        pairwise_dice: mean Dice over the pairs of folds that find something; NaN where there is no such pair.
        both_empty: pairs of folds that find nothing. With a mask all the same (one below the threshold at which a
            fold by itself finds it) and no other pair, that is a doubt; a single fold, which has no pairs, is none.
        largest_share: share of what was found that its largest component holds; of a structure of several pieces, that
            its as many largest hold.
        volume_mm3: of the pseudo-label.
        source_range_mm3: smallest and largest volume of the structure in the source domain.
    """
    if volume_mm3 == 0:
        return ["empty"]
    found = []
    if largest_share < settings.largest_share_below:
        found.append("in pieces")
    if not in_range(volume_mm3, source_range_mm3, settings.volume_factor):
        found.append(OUTSIDE)
    if math.isnan(pairwise_dice):
        found += ["no fold finds it by itself"] if both_empty else []
    elif pairwise_dice < settings.fold_dice_below:
        found.append("folds disagree")
    return found


def in_range(volume_mm3: float, source_range_mm3: tuple[float, float], factor: float) -> bool:
    """Whether a volume lies between the source's smallest / factor and its largest x factor."""
    low, high = source_range_mm3
    return low / factor <= volume_mm3 <= high * factor
