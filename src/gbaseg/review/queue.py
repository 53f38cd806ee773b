"""The order in which pseudo-labels are looked at: the most doubtful first, by what is known of them already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Known:
    """Of one structure of a pseudo-label.

    Args:
        structure: its name.
        volume_mm3: of the pseudo-label.
        before_mm3: in the round before; `None`: it has none.
        fold_dice: mean over the pairs of folds; NaN where no pair finds it, or there is one fold.
        doubts: what speaks against it (`self_training.confidence`).
    """

    structure: str
    volume_mm3: float
    before_mm3: float | None
    fold_dice: float
    doubts: tuple[str, ...] = ()

    @property
    def change(self) -> float:
        """Of the volume since the round before, as a share of the larger one: 0 to 1; 0 where there is none before."""
        if self.before_mm3 is None or max(self.volume_mm3, self.before_mm3) == 0:
            return 0.0
        return abs(self.volume_mm3 - self.before_mm3) / max(self.volume_mm3, self.before_mm3)

    @property
    def doubt(self) -> float:
        """How soon it is to be looked at: 1 for each doubt, the folds' disagreement and the change, 0 to 1 each."""
        disagreement = 0.0 if math.isnan(self.fold_dice) else 1.0 - self.fold_dice
        return len(self.doubts) + disagreement + self.change

    def as_dict(self) -> dict[str, Any]:
        """For the page; what is not known is `None`."""
        return {
            "structure": self.structure,
            "ml": round(self.volume_mm3 / 1000.0, 3),
            "folds": None if math.isnan(self.fold_dice) else round(self.fold_dice, 3),
            "change": None
            if self.before_mm3 is None
            else round(self.volume_mm3 / 1000.0 - self.before_mm3 / 1000.0, 3),
            "share": round(self.change, 3),
            "doubts": list(self.doubts),
        }


@dataclass(frozen=True)
class Item:
    """A case to look at.

    Args:
        case, centre: of the case table.
        image: the scan on the standard grid.
        mask: its pseudo-label there.
        known: of each structure.
    """

    case: str
    centre: str
    image: Path
    mask: Path
    known: tuple[Known, ...]

    @property
    def doubt(self) -> float:
        """That of its most doubtful structure."""
        return max((one.doubt for one in self.known), default=0.0)

    @property
    def is_doubtful(self) -> bool:
        """Whether the next round leaves some of it out unless it is accepted."""
        return any(one.doubts for one in self.known)


def by_doubt(items: Sequence[Item]) -> list[Item]:
    """The most doubtful first; of equals by name, so that the order is the same every time."""
    return sorted(items, key=lambda item: (-round(item.doubt, 6), item.case))
