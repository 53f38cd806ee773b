"""Another diameter of a structure: the image is stretched around it, and all labels with it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

# Of the diameter: half to twice the volume. Up to a fourth smaller the fall below is without folds.
LARGEST = 1.25


def sample_diameter(rng: np.random.Generator) -> float:
    """Factor on the diameter; larger and smaller are equally likely."""
    return float(LARGEST ** rng.uniform(-1.0, 1.0))


def apply_diameter(
    image: np.ndarray, label: np.ndarray, value: int, spacing_zyx_mm: tuple[float, float, float], factor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Stretch a structure about its centre of mass.

    Within the sphere that holds the structure afterwards all is stretched by `factor`; over a rim as wide as that
    sphere's radius this falls to nothing, so that what surrounds the structure gives way.

    Args:
        image: (Z, Y, X).
        label: (Z, Y, X), integers.
        value: the structure's label.
        factor: on its diameter, 0.8 to 1.25.

    Returns:
        Both, new arrays; bit for bit as they were outside that rim, and where the structure is absent.

    Raises:
        ValueError: another factor.
    """
    if not 1.0 / LARGEST - 1e-9 <= factor <= LARGEST + 1e-9:
        raise ValueError(f"factor {factor:g}; allowed: {1 / LARGEST:g} to {LARGEST:g}, or the image would fold")
    image, label = image.copy(), label.copy()
    inside = np.argwhere(label == value)
    if not len(inside):
        return image, label
    spacing = np.asarray(spacing_zyx_mm)
    centre = inside.mean(axis=0)
    # Half a voxel more, so that one that is alone is stretched, too.
    radius = factor * float(np.linalg.norm((inside - centre) * spacing, axis=1).max() + 0.5 * spacing.max())
    reach = 2.0 * radius / spacing
    low = np.maximum(np.floor(centre - reach).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach).astype(int) + 1, label.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    away = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"))
    away = away - centre[:, None, None, None]
    distance = np.sqrt(((away * spacing[:, None, None, None]) ** 2).sum(axis=0))
    stretched = np.clip(2.0 - distance / radius, 0.0, 1.0)
    moved = stretched > 0
    # Where each voxel's content comes from.
    origin = centre[:, None] + away[:, moved] * (1.0 + (1.0 / factor - 1.0) * stretched[moved])
    image[box][moved] = map_coordinates(image, origin, order=1, mode="nearest")
    values = np.unique(label[box])
    # What is interpolated are distances to each label's edge (Raya and Udupa, 1990): labels by themselves would lose at
    # every corner.
    origin -= low[:, None]
    depths = [map_coordinates(_depth(label[box] == one, spacing), origin, order=1, mode="nearest") for one in values]
    label[box][moved] = values[np.argmax(depths, axis=0)]
    return image, label


def _depth(mask: np.ndarray, spacing_zyx_mm: np.ndarray) -> np.ndarray:
    """Distance to the nearest voxel on the other side of a mask's edge, mm; under 0 outside."""
    if mask.all():
        return np.full(mask.shape, np.inf)
    inside, outside = (distance_transform_edt(one, sampling=spacing_zyx_mm) for one in (mask, ~mask))
    found: np.ndarray = inside - outside
    return found
