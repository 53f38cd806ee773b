"""A volume on another grid, or a box of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk

from gbaseg.volume.grid import Grid, Volume

Kind = Literal["image", "label", "probability"]


def resample(volume: Volume, grid: Grid, kind: Kind, fill: float = 0.0, smooth: bool = True) -> Volume:
    """Resample onto `grid`: nearest neighbour for a label, cubic B-spline for an image, linear for a probability.

    Along an axis that shrinks an image is smoothed first (Gaussian, sigma in voxels = sqrt(ratio^2 - 1) / 2),
    against aliasing, unless `smooth` is False. Voxels outside the image get `fill`.
    """
    if grid.agrees_with(volume.grid, 1e-6):
        return volume
    image = to_sitk(volume)
    if kind == "label":
        method = sitk.sitkNearestNeighbor
    elif kind == "probability":
        method = sitk.sitkLinear
    else:
        if image.GetPixelID() != sitk.sitkFloat32:
            image = sitk.Cast(image, sitk.sitkFloat32)
        ratio = np.array(grid.spacing_zyx_mm) / np.array(volume.grid.spacing_zyx_mm)
        sigma_voxels = np.sqrt(np.maximum(ratio**2 - 1.0, 0.0)) / 2.0
        if smooth and np.any(sigma_voxels > 0.1):
            # ITK's discrete Gaussian takes a variance of 0 as "not along this axis".
            variance = np.where(sigma_voxels > 0.1, sigma_voxels**2, 0.0)
            image = sitk.DiscreteGaussian(image, [float(v) for v in variance[::-1]], useImageSpacing=False)
        method = sitk.sitkBSpline if min(volume.grid.shape) >= 4 else sitk.sitkLinear
    out = sitk.Resample(
        image, grid.shape[::-1], sitk.Transform(), method, grid.origin_xyz_mm, grid.spacing_zyx_mm[::-1],
        grid.direction, fill, image.GetPixelID(),
    )  # fmt: skip
    return Volume(sitk.GetArrayFromImage(out), grid)


def crop_or_pad(
    volume: Volume, start_zyx: tuple[int, int, int], shape: tuple[int, int, int], fill: float = 0.0
) -> Volume:
    """The box of `shape` voxels whose first voxel is `start_zyx`; what lies outside the volume is `fill`."""
    out = np.full(shape, fill, dtype=volume.array.dtype)
    source, target = [], []
    for start, size, extent in zip(start_zyx, shape, volume.grid.shape, strict=True):
        low, high = max(start, 0), min(start + size, extent)
        high = max(high, low)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    if all(part.stop > part.start for part in source):
        out[tuple(target)] = volume.array[tuple(source)]
    return Volume(out, volume.grid.shifted(start_zyx, shape))


def to_sitk(volume: Volume) -> sitk.Image:
    """For ITK's filters and writers: the voxels with spacing, origin and direction."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    image.SetSpacing(volume.grid.spacing_zyx_mm[::-1])
    image.SetOrigin(volume.grid.origin_xyz_mm)
    image.SetDirection(volume.grid.direction)
    return image
