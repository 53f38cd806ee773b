"""Intensities to [0, 1], by percentiles of the foreground (METHOD 2)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from gbaseg.errors import UserError
from gbaseg.standardise.settings import ForegroundKind

# A head that fills less of the volume is small: its place is its own mean, not that of the brightest quarter.
SMALL_HEAD = 0.1
_NEARLY_ALL = 0.9
# Of the largest intensity: far above what ITK's thresholds are wrong for, 1e-7.
_TINY = 1e-3
# How far a range may reach beyond what lies between air and the bright of the head, in widths of that, unsaid.
_FAR_BELOW, _FAR_ABOVE = 0.5, 2.0


def foreground(array: np.ndarray, kind: ForegroundKind) -> np.ndarray:
    """Mask (Z, Y, X) of the voxels of which intensity percentiles are taken.

    `head`: voxels above the lower of two Otsu thresholds (air, tissue, bright tissue), every slice filled. Air
    around the head is not exactly 0 and would pull the percentiles down. Scalp and fat are the brightest structures:
    a single threshold settles between them and the brain in some scans, and open rings are not filled. Where that
    takes nearly everything in, two thresholds have split the air: then the head is what a single one finds, if small.
    """
    if kind == "all":
        return np.ones(array.shape, dtype=bool)
    if kind == "nonzero":
        return array != 0
    image = sitk.GetImageFromArray(_of_ordinary_size(np.ascontiguousarray(array, dtype=np.float32)))
    # Classes 0, 1, 2 from dark to bright, thresholds from 128 bins.
    tissue = sitk.GetArrayFromImage(sitk.OtsuMultipleThresholds(image, 2, 0, 128)) > 0
    filled = _filled_in_slices(tissue)
    if np.count_nonzero(filled) > _NEARLY_ALL * filled.size:
        bright = sitk.GetArrayFromImage(sitk.OtsuMultipleThresholds(image, 1, 0, 128)) > 0
        if _share_of_box(bright) < SMALL_HEAD:
            return _filled_in_slices(bright)
    return filled


def _of_ordinary_size(array: np.ndarray) -> np.ndarray:
    """Tiny intensities (diffusion in m2/s), in which ITK finds no classes, times a power of two: no digit changes."""
    peak = max(float(array.max()), -float(array.min()))
    return array if peak >= _TINY or peak == 0 else np.ldexp(array, -int(np.frexp(peak)[1]))


def centre_of(mask: np.ndarray) -> tuple[float, float, float]:
    """Mean position (z, y, x) of the voxels of a mask, in voxels."""
    # Sums over planes, not np.argwhere: that takes 24 bytes a voxel.
    total = mask.sum()
    z, y, x = (
        float((mask.sum(axis=tuple({0, 1, 2} - {axis})) * np.arange(mask.shape[axis])).sum() / total)
        for axis in range(3)
    )
    return z, y, x


def _share_of_box(mask: np.ndarray) -> float:
    """Share of the volume of the box that holds all but a hundredth of the mask at either side of each axis."""
    share = 1.0
    for axis in range(3):
        along = np.cumsum(mask.sum(axis=tuple({0, 1, 2} - {axis})))
        first, last = np.searchsorted(along, (0.01 * along[-1], 0.99 * along[-1]))
        share *= (last - first + 1) / mask.shape[axis]
    return float(share)


def _filled_in_slices(mask: np.ndarray) -> np.ndarray:
    """`mask` with the holes of each slice; as scipy's binary_fill_holes, in a third of its time."""
    # No connection across slices: below the skull the head is open.
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[[0, 2]] = False
    regions, count = ndimage.label(~mask, in_plane)
    open_ = np.zeros(count + 1, dtype=bool)
    for edge in (regions[:, 0], regions[:, -1], regions[:, :, 0], regions[:, :, -1]):
        open_[edge] = True
    open_[0] = False  # the mask itself
    return ~open_[regions]


def intensity_range(array: np.ndarray, percentiles: tuple[float, float], kind: ForegroundKind) -> tuple[float, float]:
    """The intensities that become 0 and 1.

    Raises:
        UserError: the foreground is empty or has one intensity only.
    """
    return range_of(array, foreground(array, kind), percentiles, kind)


def range_of(array: np.ndarray, mask: np.ndarray, percentiles: tuple[float, float], kind: str) -> tuple[float, float]:
    """As `intensity_range`, of a foreground that is there already; raises the same."""
    values = array[mask]
    if values.size:
        low, high = (float(v) for v in np.percentile(values, percentiles))
        if low < high:
            return low, high
    raise UserError(
        f"no intensity range: percentiles {list(percentiles)} of the foreground ({kind!r}, {values.size} voxels) are "
        "equal; allowed: an image with contrast (see standardise.foreground and standardise.intensity_percentiles)"
    )


def to_unit_range(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """(array - low) / (high - low), clipped to [0, 1], float32."""
    scaled = (array.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def stretched(image: np.ndarray, head: np.ndarray, low: float, high: float) -> list[str]:
    """What a range says that a few voxels have drawn out, so that the others have little of it left.

    Args:
        image: the scan.
        head: its voxels that the range is of.
        low, high: the range.
    """
    air, bright = float(np.percentile(image.reshape(-1)[::7], 1.0)), float(np.percentile(head, 99.0))
    notes = []
    if high > bright + _FAR_ABOVE * (bright - air):
        notes.append(f"the range ends at {high:g}, 99% of the head lie below {bright:g}: wild voxels, or metal?")
    if low < air - _FAR_BELOW * (bright - air):
        notes.append(f"the range begins at {low:g}, 99% of the scan lie above {air:g}: wild voxels, or padding?")
    return notes
