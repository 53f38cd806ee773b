"""Is a scan like those of the target that the model was adapted to? Notes for whoever looks at its mask, no verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gbaseg.inference.contents import PERCENTS, Range, TargetScans
from gbaseg.inference.scans import Standardised
from gbaseg.standardise.case import StandardCase
from gbaseg.volume import Grid, Volume, numbers_as_text

# How far outside the training scans' range a number is said: by this share of its width, and by this much at least.
_BEYOND = 0.5
_SPACING, _INTENSITY = 0.1, 0.05
# A scan shorter than this share of the shortest one may show less of the patient; a longer one is cropped.
_SHORT = 0.75
# Intensities of air, and of what the crop adds where it leaves the scan, say nothing of tissue.
_AIR = 0.02


def look(cases: Iterable[tuple[StandardCase, Volume]]) -> TargetScans | None:
    """What scans look like.

    Args:
        cases: how each was standardised, and its image on the standard grid; none: `None`.
    """
    found = [(_turned(record), intensities_of(image)) for record, image in cases]
    if not found:
        return None
    grids = [grid for grid, _ in found]
    return TargetScans(
        cases=len(found),
        spacing_zyx_mm=_ranges([grid.spacing_zyx_mm for grid in grids]),  # type: ignore[arg-type]
        extent_zyx_mm=_ranges([_extent(grid) for grid in grids]),  # type: ignore[arg-type]
        intensities=_ranges([levels for _, levels in found]),
    )


def unlike_target(given: Standardised, target: TargetScans | None) -> list[str]:
    """What of a scan is outside of what the target's training scans have; empty where nothing is, or is known.

    Voxel sizes and intensities beyond their range by more than half its width, a scan shorter than three quarters of
    the shortest. Ours; none of these bounds was measured on patients.
    """
    if target is None:
        return []
    grid = _turned(given.record)
    notes = []
    if _outside(grid.spacing_zyx_mm, target.spacing_zyx_mm, [_SPACING * low for low, _ in target.spacing_zyx_mm]):
        notes.append(
            f"voxels of {numbers_as_text(grid.spacing_zyx_mm[::-1])} mm, unlike the target's training scans "
            f"({_as_text(target.spacing_zyx_mm[::-1])})"
        )
    extent = _extent(grid)
    if any(mine < _SHORT * low for mine, (low, _) in zip(extent, target.extent_zyx_mm, strict=True)):
        notes.append(
            f"a scan of {numbers_as_text(extent[::-1])} mm, shorter than the target's training scans "
            f"({_as_text(target.extent_zyx_mm[::-1])})"
        )
    levels = intensities_of(given.image)
    if _outside(levels, target.intensities, [_INTENSITY] * len(levels)):
        notes.append(
            f"intensities unlike the target's training scans (percentiles {numbers_as_text(PERCENTS)} of tissue: "
            f"{', '.join(f'{level:.2f}' for level in levels)}; there {_as_text(target.intensities, 2)}): another "
            "modality?"
        )
    return notes


def intensities_of(image: Volume) -> tuple[float, ...]:
    """Percentiles `PERCENTS` of a standardised image's tissue; 0 where it has none."""
    tissue = image.array[image.array > _AIR]
    return tuple(round(float(level), 4) for level in np.percentile(tissue, PERCENTS)) if tissue.size else (0.0,) * 4


def _turned(record: StandardCase) -> Grid:
    """The scan's own grid with its slices on Z."""
    return record.turn.grid(record.raw)


def _extent(grid: Grid) -> tuple[float, ...]:
    return tuple(side * size for side, size in zip(grid.spacing_zyx_mm, grid.shape, strict=True))


def _ranges(rows: Sequence[Sequence[float]]) -> tuple[Range, ...]:
    columns = np.array(rows).T
    return tuple((round(float(column.min()), 4), round(float(column.max()), 4)) for column in columns)


def _outside(values: Sequence[float], ranges: Sequence[Range], least: Sequence[float]) -> bool:
    """Whether a value is beyond its range by more than half its width, and by more than `least`."""
    for value, (low, high), margin in zip(values, ranges, least, strict=True):
        beyond = max(_BEYOND * (high - low), margin)
        if not low - beyond <= value <= high + beyond:
            return True
    return False


def _as_text(ranges: Sequence[Range], decimals: int | None = None) -> str:
    def shown(value: float) -> str:
        return f"{value:g}" if decimals is None else f"{value:.{decimals}f}"

    return ", ".join(shown(low) if low == high else f"{shown(low)} to {shown(high)}" for low, high in ranges)
