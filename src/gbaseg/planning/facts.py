"""What was seen of a data set: all that the decisions go by. Lengths in mm along (Z, Y, X) of the slices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gbaseg.volume import Grid

Triple = tuple[float, float, float]
# Of the intensities of the foreground, dark to bright; `standardise.intensity_percentiles` is chosen among the last.
# The first becomes 0, and distances are from there: CT's air is at -1000, and some scans are of mean 0.
PERCENTS = (0.0, 50.0, 75.0, 95.0, 98.0, 99.0, 99.5, 99.9)


@dataclass(frozen=True)
class LabelFacts:
    """One value in one label of the source.

    Args:
        volume_mm3: of all its voxels.
        pieces: connected components that are a part of it worth the name.
        low_mm, high_mm: its box, from the first face of the scan along each axis.
        across_mm: diameter of the largest disc that lies in it, in the slice where that is largest.
        bright: intensity that 95 % of it lie below.
    """

    value: int
    volume_mm3: float
    pieces: int
    low_mm: Triple
    high_mm: Triple
    across_mm: float
    bright: float


@dataclass(frozen=True)
class ScanFacts:
    """One scan, turned so that its slices lie on Z.

    Args:
        source: of the source domain, else of the target's.
        held_out: to be scored: looked at for faults, and left out of every choice.
        own: its own grid, before it was turned.
        shape, spacing_mm: of the turned grid, along (Z, Y, X).
        centre_mm: where `standardise` would put the middle of the crop, from the first face.
        body_low_mm, body_high_mm: box of the body, without stray voxels.
        zeros: share of the voxels that are exactly 0; `edge_zeros`: of those on the sides of the slices.
        zero_at: where 0 lies between the darkest voxel and the body's brightest (0 to 1).
        head_share: share of the voxels that `standardise.foreground: head` takes for the body.
        percentiles: of the body's intensities, at `PERCENTS`.
        symmetry: `symmetry.symmetry` along each axis.
        labels: what is in its label; of the source alone.
        voxels: `raw.same_scan.voxels_of`.
    """

    case: str
    source: bool
    held_out: bool
    own: Grid
    shape: tuple[int, int, int]
    spacing_mm: Triple
    centre_mm: Triple
    body_low_mm: Triple
    body_high_mm: Triple
    zeros: float
    edge_zeros: float
    head_share: float
    percentiles: tuple[float, ...]
    symmetry: Triple = (0.0, 0.0, 0.0)
    labels: tuple[LabelFacts, ...] = ()
    voxels: frozenset[str] = frozenset()
    zero_at: float = 0.0

    def extent_mm(self, axis: int) -> float:
        """Of the scan, along Z, Y or X (0, 1, 2)."""
        return self.shape[axis] * self.spacing_mm[axis]

    def reach_mm(self, low: Triple, high: Triple, axis: int) -> float:
        """How far a box reaches from the crop's centre along an axis, to the side where it reaches further."""
        return max(self.centre_mm[axis] - low[axis], high[axis] - self.centre_mm[axis])


@dataclass(frozen=True)
class DataFacts:
    """A whole data set.

    Args:
        scans: all that could be read.
        patients: of the source's training cases.
        centres: of the cases to train on, by domain.
        source_cases, target_cases, held_out: cases to train on, and the target's that are held out.
    """

    scans: Sequence[ScanFacts]
    patients: int
    centres: dict[str, tuple[str, ...]]
    source_cases: int
    target_cases: int
    held_out: int

    @property
    def source(self) -> list[ScanFacts]:
        """Scans of the source to train on."""
        return [scan for scan in self.scans if scan.source and not scan.held_out]

    @property
    def target(self) -> list[ScanFacts]:
        """Scans of the target to adapt to."""
        return [scan for scan in self.scans if not scan.source and not scan.held_out]

    @property
    def seen(self) -> list[ScanFacts]:
        """Scans that choices go by: all but those held out."""
        return [scan for scan in self.scans if not scan.held_out]

    @property
    def values(self) -> dict[int, int]:
        """Label values in the source -> in how many labels they are."""
        counts: dict[int, int] = defaultdict(int)
        for label in (label for scan in self.source for label in scan.labels):
            counts[label.value] += 1
        return dict(sorted(counts.items()))

    def labels(self, value: int) -> list[tuple[ScanFacts, LabelFacts]]:
        """Every label of a value with its scan."""
        return [(scan, one) for scan in self.source for one in scan.labels if one.value == value]


@dataclass(frozen=True)
class Choice:
    """One number of params.yaml, by its key with dots, and why it has that value (one line, a comment there)."""

    key: str
    value: Any
    reason: str


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of them lies below, between two by linear interpolation."""
    return float(np.quantile(np.asarray(values, dtype=float), share))
