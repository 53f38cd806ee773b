"""One scan to the standard grid and intensities, and masks back to the scan's own grid (METHOD 2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from gbaseg.errors import UserError
from gbaseg.standardise.grid import Triple, crop_box
from gbaseg.standardise.intensity import SMALL_HEAD, centre_of, foreground, range_of, stretched, to_unit_range
from gbaseg.standardise.settings import Spacing, StandardiseSettings
from gbaseg.volume import Grid, Kind, Turn, Volume, crop_or_pad, resample, same_voxels, turn_to_slices
from gbaseg.volume.flaws import Flawed
from gbaseg.volume.wild import without_wild

# Share of the range of intensities: the sides of a slice are air, mostly, and 0 to 0.1.
_BRIGHT_EDGE = 0.7
# Of a voxel: rounding of a header's numbers puts no voxel on the other side of a face.
_ON_FACE = 1e-3


@dataclass(frozen=True)
class StandardCase:
    """What was done to one scan: enough to do it to its label, and to undo it.

    Args:
        raw: the scan's own grid.
        turn: the quarter turns and mirrorings that put the slices asked for on Z.
        grid: the grid it was brought to.
        crop_start_zyx: first voxel of that grid in the uncropped image of the standard spacing.
        intensity_low, intensity_high: the intensities that became 0 and 1.
        notes: what is unusual about the scan, in words, for whoever looks at its mask.
    """

    raw: Grid
    turn: Turn
    grid: Grid
    crop_start_zyx: Triple
    intensity_low: float
    intensity_high: float
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `from_dict` gives an equal record, to the last bit."""
        return _RECORD.dump_python(self, mode="json")

    @staticmethod
    def from_dict(record: dict[str, Any]) -> StandardCase:
        """The record that `to_dict` wrote."""
        return _RECORD.validate_python(record)


_RECORD = TypeAdapter(StandardCase)


def standardise_image(image: Volume, settings: StandardiseSettings) -> tuple[Volume, StandardCase]:
    """The slices asked for, standard spacing, crop around the brain, intensities in [0, 1].

    Args:
        image: a scan on its own grid, any numeric type.

    Returns:
        The image, float32, (Z, crop_xy_px, crop_xy_px), padded with 0 where the crop leaves the scan; the record.

    Raises:
        UserError: the image has no contrast, or many voxels far from all others.
    """
    image = ordinary(image)
    turn = turn_to_slices(image.grid, settings.slices)
    turned = _turned(image, turn)
    spaced = _resampled(turned, turned.grid.respaced(_zyx(settings.spacing_xyz_mm)), settings.smooth_shrinking)
    # Measured before the crop, so that padding has no say.
    head = foreground(spaced.array, settings.foreground)
    low, high = range_of(spaced.array, head, settings.intensity_percentiles, settings.foreground)
    small = settings.foreground == "head" and float(head.mean()) < SMALL_HEAD
    start, shape = crop_box(spaced, settings, centre_of(head) if small else None)
    notes = [*image.notes, *([f"the head fills {head.mean():.2%} of the scan"] if small else [])]
    if settings.foreground == "head" and (edge := _brightness_of_edges(spaced.array, low, high)) > _BRIGHT_EDGE:
        notes.append(f"bright borders ({edge:.0%} of the range of intensities): no air, or dark and bright swapped")
    notes += stretched(spaced.array, spaced.array[head], low, high)
    scaled = spaced.with_array(to_unit_range(spaced.array, low, high))
    cropped = crop_or_pad(scaled, start, shape)
    return cropped, StandardCase(image.grid, turn, cropped.grid, start, low, high, tuple(notes))


def ordinary(image: Volume) -> Volume:
    """The scan with padding taken for air, and wild voxels for what is around them; its notes say which.

    Raises:
        UserError: many voxels are far from all others.
    """
    try:
        array, notes = without_wild(image.array)
    except Flawed as error:
        raise UserError(f"{error.flaw.found}; allowed: {error.flaw.allowed}") from error
    return replace(image, array=array, notes=(*image.notes, *notes))


def standardise_finely(
    image: Volume, record: StandardCase, spacing_xyz_mm: Spacing, smooth: bool
) -> tuple[Volume, StandardCase]:
    """The same box of the patient with the same two intensities on another grid: the finer one of the last round.

    Args:
        image: the scan on its own grid, as it was given to `standardise_image`.
        record: what `standardise_image` returned for it.
        spacing_xyz_mm: of the other grid.
        smooth: `StandardiseSettings.smooth_shrinking`.
    """
    image = ordinary(image)
    grid = record.grid.respaced(_zyx(spacing_xyz_mm))
    fine = _resampled(_turned(image, record.turn), grid, smooth)
    scaled = to_unit_range(fine.array, record.intensity_low, record.intensity_high)
    return Volume(scaled, grid), replace(record, grid=grid)


def standardise_label(label: Volume, record: StandardCase, keep: Collection[int] | None = None) -> Volume:
    """A label of the scan on the record's grid (nearest neighbour), uint8; values not in `keep` become 0.

    Raises:
        ValueError: the label is not on the scan's grid.
    """
    if not same_voxels(label.grid, record.raw):
        raise ValueError(f"a label on {label.grid}, its scan on {record.raw}")
    array = label.array
    if keep is not None:
        array = np.where(np.isin(array, list(keep)), array, 0)
    # The scan's own grid: a header that differs in the last digits must not move the label.
    turned = _turned(Volume(array.astype(np.uint8), record.raw), record.turn)
    return resample(turned, record.grid, "label")


def share_outside(label: Volume, record: StandardCase, values: Collection[int]) -> float:
    """Share of a label's voxels whose centres lie outside the record's grid, which the crop has cut off.

    Args:
        label: on the scan's grid.
        values: which; 0 where the label has none of them.
    """
    turned = _turned(Volume(np.isin(label.array, list(values)).astype(np.uint8), record.raw), record.turn)
    own, grid, kept = turned.grid, record.grid, turned.array
    moved_zyx_mm = (np.subtract(own.origin_xyz_mm, grid.origin_xyz_mm) @ np.reshape(grid.direction, (3, 3)))[::-1]
    # Axis by axis, since both have the same: a place for every voxel of a large organ would take more than its scan.
    for axis in range(3):
        at_mm = np.arange(own.shape[axis]) * own.spacing_zyx_mm[axis] + moved_zyx_mm[axis]
        from_face = at_mm / grid.spacing_zyx_mm[axis] + 0.5
        kept = kept.compress((from_face >= -_ON_FACE) & (from_face <= grid.shape[axis] + _ON_FACE), axis=axis)
    labelled = np.count_nonzero(turned.array)
    return float(1.0 - np.count_nonzero(kept) / labelled) if labelled else 0.0


def to_raw(mask: Volume, record: StandardCase) -> Volume:
    """Put a mask made on the record's grid back on the scan's own grid, exactly (nearest neighbour).

    Geometry and axes of the result are the scan's, to the last bit; 0 outside the crop.

    Raises:
        ValueError: the mask is not on the record's grid.
    """
    return _to_raw(mask, record, "label")


def probability_to_raw(probability: Volume, record: StandardCase) -> Volume:
    """As `to_raw` for a probability, in float32 and linear: its 0.5 lies between voxels, where a mask's edge cannot.

    Raises:
        ValueError: the probability is not on the record's grid.
    """
    return _to_raw(probability.with_array(probability.array.astype(np.float32)), record, "probability")


def _to_raw(volume: Volume, record: StandardCase, kind: Kind) -> Volume:
    if not volume.grid.agrees_with(record.grid):
        raise ValueError(f"a mask on {volume.grid}, the record is of {record.grid}")
    turned = resample(Volume(volume.array, record.grid), record.turn.grid(record.raw), kind)
    return Volume(np.ascontiguousarray(record.turn.undo(turned.array)), record.raw)


def _zyx(xyz: Spacing) -> Spacing:
    x, y, z = xyz
    return (z, y, x)


def _brightness_of_edges(array: np.ndarray, low: float, high: float) -> float:
    """Median of the sides of all slices, as a share of the range."""
    sides = np.concatenate([array[:, [0, -1], :].ravel(), array[:, :, [0, -1]].ravel()])
    return float((np.median(sides) - low) / (high - low))


def _turned(volume: Volume, turn: Turn) -> Volume:
    return Volume(turn.apply(volume.array), turn.grid(volume.grid))


def _resampled(image: Volume, grid: Grid, smooth: bool) -> Volume:
    """float32 on `grid`; what lies outside the scan gets its smallest intensity, which is air."""
    array = np.ascontiguousarray(image.array, dtype=np.float32)
    low, high = float(array.min()), float(array.max())
    resampled = resample(image.with_array(array), grid, "image", fill=low, smooth=smooth)
    # Cubic B-splines swing beyond the scan's own intensities beside sharp edges; the range must not follow them.
    return resampled.with_array(np.clip(resampled.array, low, high))
