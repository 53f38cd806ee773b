"""The standard grid's place: a box around the brain (METHOD 2)."""

from __future__ import annotations

import math

import numpy as np

from gbaseg.standardise.intensity import centre_of
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Volume

Triple = tuple[int, int, int]


def brain_centre(array: np.ndarray, percentile: float) -> tuple[float, float, float]:
    """Mean position (z, y, x) in voxels of those above the intensity percentile (METHOD 2).

    Where the percentile is already the largest value (a quarter of the image saturated) the voxels *at* it count.
    """
    threshold = np.percentile(array, percentile)
    mask = array > threshold
    if not mask.any():
        mask = array >= threshold
    return centre_of(mask)


def crop_box(
    volume: Volume, settings: StandardiseSettings, centre: tuple[float, float, float] | None = None
) -> tuple[Triple, Triple]:
    """(first voxel, shape) of the crop around the brain, (Z, Y, X); the first voxel may be negative.

    Args:
        volume: the image at the standard spacing, before the crop.
        centre: of the brain (z, y, x) in voxels; default: by `brain_centre`.
    """
    centre = centre or brain_centre(volume.array, settings.brain_percentile)
    side = settings.crop_xy_px
    shape = (settings.crop_z_px or volume.grid.shape[0], side, side)
    z, y, x = (math.floor(c - (n - 1) / 2 + 0.5) for c, n in zip(centre, shape, strict=True))
    return (0 if settings.crop_z_px is None else z, y, x), shape
