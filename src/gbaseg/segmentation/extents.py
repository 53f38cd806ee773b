"""Where structures of the target end: at the softmax at which they are as large as the source's labels (ours).

A network that has learnt from another modality gives the target's edges another softmax than its own: cut at 0.5, all
masks of a run are too large or too small together, and a round that learns from them is more so. What the source's
labels say of volumes holds for the target where both show the same kind of patients (a prior on the size of what is
segmented, as in Bateson et al., arXiv 2108.03152): of each structure one number is taken for all cases, and no case is
told how large its own is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Softmax at which volumes are looked at, between which they are interpolated, and beyond which no structure ends.
LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
# Where volumes differ by more than this factor at either end of the levels, no softmax explains it: patients differ.
_EXPLAINED = 1.1
# Cases of the target in which a structure is found, without which nothing is known of how large it is there.
FEWEST = 4


class Sizes(NamedTuple):
    """Mean volumes of a structure, mm3, of logarithms (geometric means).

    Args:
        source: of the source's labels.
        target: of the target's masks, were they to end at each of `LEVELS`.
        cases: of the target, with the structure.
    """

    source: float
    target: tuple[float, ...]
    cases: int

    @property
    def known(self) -> bool:
        """Whether there is enough to go by."""
        return self.cases >= FEWEST and bool(np.isfinite(self.source))

    @property
    def unlike(self) -> bool:
        """Whether the target's patients have another size of it, as far as masks tell, wherever these end."""
        if not self.known:
            return False
        smallest, largest = self.target[-1] / self.source, self.target[0] / self.source
        return smallest > _EXPLAINED or largest < 1.0 / _EXPLAINED


def compare(found_mm3: np.ndarray, expected_mm3: Sequence[float], voxel_mm3: float) -> Sizes:
    """Sizes of the cases in which a structure is found at all.

    Args:
        found_mm3: (case, level); a case without the structure has 0 everywhere. Of one that is there and vanishes at a
            high level a voxel is counted.
        expected_mm3: of each case, what the source's labels have on average at its centre.
    """
    there = found_mm3.max(axis=1) > 0
    if not there.any():
        return Sizes(float("nan"), (), 0)
    expected = np.log(np.asarray(expected_mm3, float)[there])
    found = np.log(np.maximum(found_mm3[there], voxel_mm3))
    return Sizes(float(np.exp(expected.mean())), tuple(np.exp(found.mean(axis=0))), int(there.sum()))


def end_at(sizes: Sizes) -> float:
    """The softmax at which the target's mean volume is the source's, within `LEVELS`; of sizes that are known."""
    over = np.log(sizes.target) - np.log(sizes.source)
    # Falls from level to level; interpolation wants it to rise.
    return round(float(np.interp(0.0, over[::-1], LEVELS[::-1])), 3)
