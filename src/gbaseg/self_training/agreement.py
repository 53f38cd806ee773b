"""Whether another round would still change anything (METHOD 6, stop rule)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gbaseg.self_training.settings import SelfTrainingSettings


class Agreement(NamedTuple):
    """How far two rounds agree.

    Args:
        dice: mean over the pairs in which either round has the structure; `None` where there is no such pair.
        both_empty: pairs in which neither has; they are left out: two models that find nothing agree on nothing.
    """

    dice: float | None
    both_empty: int


def agreement(pairs: Iterable[tuple[np.ndarray, np.ndarray]], values: Iterable[int]) -> Agreement:
    """Mean Dice between the pseudo-labels of two rounds, over cases and structures.

    Args:
        pairs: for each case the labels (Z, Y, X) of the round before and of this round, on one grid.
        values: label value of each structure.
    """
    scores, both_empty = dices(pairs, values)
    return Agreement(float(np.mean(scores)) if scores else None, both_empty)


def dices(pairs: Iterable[tuple[np.ndarray, np.ndarray]], values: Iterable[int]) -> tuple[list[float], int]:
    """Dice of each pair of labels (Z, Y, X) and structure of which either has some; and how many have none."""
    values = list(values)
    scores, both_empty = [], 0
    for before, now in pairs:
        for value in values:
            a, b = before == value, now == value
            total = int(a.sum()) + int(b.sum())
            if total:
                scores.append(2.0 * int((a & b).sum()) / total)
            else:
                both_empty += 1
    return scores, both_empty


def stops(
    settings: SelfTrainingSettings, agrees: float | None, dice_before: float | None, dice_now: float | None
) -> bool:
    """Whether self-training has converged after this round.

    Args:
        agrees: agreement of the pseudo-labels with those of the round before; `None` for the first round,
            and where both find nothing.
        dice_before, dice_now: mean Dice on labelled validation cases; `None` where there are none: agreement then
            takes the place of the rule `validation_dice`.
    """
    if settings.stop == "never":
        return False
    if settings.stop == "validation_dice" and dice_before is not None and dice_now is not None:
        return abs(dice_now - dice_before) < settings.dice_change_below
    return agrees is not None and agrees > settings.agreement_above
