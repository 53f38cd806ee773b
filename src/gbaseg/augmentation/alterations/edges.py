"""Another sharpness of a structure's edge."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

# Of the Gaussian, and of the band to either side of the edge, voxels.
_SIGMA_PX, _BAND_PX = 1.0, 2.0


def sample_edges(rng: np.random.Generator) -> float:
    """Amount, see `apply_edges`: from sharper by most of what a Gaussian takes away to as soft as it leaves it."""
    return float(rng.uniform(-0.7, 1.0))


def apply_edges(image: np.ndarray, mask: np.ndarray, amount: float) -> np.ndarray:
    """Blur (amount over 0) or sharpen (under 0, an unsharp mask) a band along the edge, slice by slice.

    Args:
        image: (Z, Y, X), intensities in [0, 1].
        mask: same shape, True in the structure.
        amount: 1: the Gaussian's outcome at the edge; -1: away from it by as much.

    Returns:
        float32, clipped to [0, 1]; voxels further away than two and a half are those of `image`, bit for bit.
    """
    out = image.astype(np.float32, copy=True)
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        inside, outside = distance_transform_edt(mask[z]), distance_transform_edt(~mask[z])
        # The edge runs half a voxel before either's first.
        weight = np.clip(1.0 - (inside + outside - 0.5) / _BAND_PX, 0.0, 1.0).astype(np.float32)
        near = weight > 0
        change = amount * weight * (gaussian_filter(out[z], _SIGMA_PX, mode="nearest") - out[z])
        out[z][near] = np.clip(out[z] + change, 0.0, 1.0)[near]
    return out
