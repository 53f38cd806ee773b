"""Two compartments of a structure: a core, as a cyst or a necrosis, of another intensity than the rim around it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

# Share of the structure, and intensity of the core against the rim in [0, 1] images; which sign is not known.
_SHARE, _SHIFT = (0.2, 0.6), (0.1, 0.4)
# How far the core lies to one side, against how deep it lies.
_ASIDE = 0.5


class Compartments(NamedTuple):
    """A drawn core.

    Args:
        share: of the structure's voxels.
        shift: added to the core's intensities.
        side: unit vector (z, y, x), in mm: where the core lies.
    """

    share: float
    shift: float
    side: tuple[float, float, float]


def sample_compartments(rng: np.random.Generator) -> Compartments:
    """A core of a fifth to three fifths, brighter or darker."""
    share, shift = rng.uniform(*_SHARE), rng.uniform(*_SHIFT) * rng.choice((-1.0, 1.0))
    z, y, x = (side := rng.standard_normal(3)) / np.linalg.norm(side)
    return Compartments(float(share), float(shift), (float(z), float(y), float(x)))


def apply_compartments(
    image: np.ndarray, mask: np.ndarray, spacing_zyx_mm: tuple[float, float, float], drawn: Compartments
) -> np.ndarray:
    """Shift the core's intensities, over an edge as soft as a voxel; clipped to [0, 1].

    Args:
        image: (Z, Y, X), intensities in [0, 1].
        mask: same shape, True in the structure.

    Returns:
        float32; voxels outside the mask are those of `image`, bit for bit.
    """
    out = image.astype(np.float32, copy=True)
    places = np.argwhere(mask)
    if not len(places):
        return out
    depth = distance_transform_edt(mask, sampling=spacing_zyx_mm)[mask]
    aside = ((places - places.mean(axis=0)) * spacing_zyx_mm) @ np.asarray(drawn.side)
    score = depth / depth.max() + _ASIDE * aside / max(float(np.abs(aside).max()), 1e-6)
    core = np.zeros(mask.shape, np.float32)
    core[mask] = score >= np.quantile(score, 1.0 - drawn.share)
    # Along the slices alone: across them voxels are larger than an edge is soft.
    soft = gaussian_filter(core, (0.0, 0.7, 0.7))
    out[mask] = np.clip(out[mask] + np.float32(drawn.shift) * soft[mask], 0.0, 1.0)
    return out
