"""Intensities to [0, 1], by percentiles of the foreground (METHOD 2)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from gbaseg.errors import UserError


def foreground(array: np.ndarray, kind: Literal["head", "nonzero", "all"]) -> np.ndarray:
    """Mask (Z, Y, X) of the voxels of which intensity percentiles are taken.

    `head`: voxels above the lower of two Otsu thresholds (air, tissue, bright tissue), every axial slice filled. Air
    around the head is not exactly 0 and would pull the percentiles down. Scalp and fat are the brightest structures:
    a single threshold settles between them and the brain in some scans, and open rings are not filled.
    """
    if kind == "all":
        return np.ones(array.shape, dtype=bool)
    if kind == "nonzero":
        return array != 0
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=np.float32))
    # Classes 0, 1, 2 from dark to bright, thresholds from 128 bins.
    tissue = sitk.GetArrayFromImage(sitk.OtsuMultipleThresholds(image, 2, 0, 128)) > 0
    return _filled_in_slices(tissue)


def _filled_in_slices(mask: np.ndarray) -> np.ndarray:
    """`mask` with the holes of each axial slice; as scipy's binary_fill_holes, in a third of its time."""
    # No connection across slices: below the skull the head is open.
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[[0, 2]] = False
    regions, count = ndimage.label(~mask, in_plane)
    open_ = np.zeros(count + 1, dtype=bool)
    for edge in (regions[:, 0], regions[:, -1], regions[:, :, 0], regions[:, :, -1]):
        open_[edge] = True
    open_[0] = False  # the mask itself
    return ~open_[regions]


def intensity_range(
    array: np.ndarray, percentiles: tuple[float, float], kind: Literal["head", "nonzero", "all"]
) -> tuple[float, float]:
    """The intensities that become 0 and 1.

    Raises:
        UserError: the foreground is empty or has one intensity only.
    """
    values = array[foreground(array, kind)]
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
