"""How a structure looks: volume, mean, spread, contrast; and how far two sets of cases lie apart (Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects

if TYPE_CHECKING:
    from scipy.stats import gaussian_kde

# Of the voxels around a structure; with less, others enclose it. The heart's muscle, which has blood inside, has 0.4 to
# 0.5, that blood 0.02 at most.
_LEAST_UNLABELLED = 0.1

Quantity = Literal["mean", "std", "volume_mm3", "contrast"]


@dataclass(frozen=True)
class Appearance:
    """One structure in one image; `mean`, `std` and `contrast` are nan where it is absent."""

    volume_mm3: float
    mean: float
    std: float
    contrast: float  # mean inside - mean of the ring around it


def measure(
    image: np.ndarray,
    label: np.ndarray,
    spacing_zyx_mm: tuple[float, float, float],
    value: int = 1,
    ring_mm: float = 3.0,
) -> Appearance:
    """Measure the voxels where `label == value`.

    Args:
        image: (Z, Y, X), intensities in [0, 1].
        label: (Z, Y, X), integers.
        spacing_zyx_mm: voxel size along (Z, Y, X), mm.
        value: the structure's label.
        ring_mm: the ring holds the unlabelled voxels no further than this from the structure, mm; of a structure that
            others enclose (the blood in the heart's muscle), all voxels.

    Raises:
        ValueError: shapes differ.
    """
    if image.shape != label.shape:
        raise ValueError(f"image of shape {image.shape} with a label of shape {label.shape}")
    inside = label == value
    count = int(np.count_nonzero(inside))
    volume_mm3 = count * float(np.prod(spacing_zyx_mm))
    if count == 0:
        return Appearance(0.0, float("nan"), float("nan"), float("nan"))
    box, ring = ring_around(label, spacing_zyx_mm, value, ring_mm)
    values = image[inside].astype(np.float64)
    around = mean_of(image, box, ring)
    return Appearance(volume_mm3, float(values.mean()), float(values.std()), float(values.mean()) - around)


def ring_around(
    label: np.ndarray, spacing_zyx_mm: tuple[float, float, float], value: int, ring_mm: float = 3.0
) -> tuple[tuple[slice, ...], np.ndarray]:
    """The ring of a structure that is there, see `measure`: a box of the volume, and the ring's voxels in it."""
    inside = label == value
    # Distances only in the box that can hold the ring: tumours are a hundredth of the volume.
    box = tuple(
        slice(max(part.start - int(ring_mm / mm) - 1, 0), part.stop + int(ring_mm / mm) + 1)
        for part, mm in zip(find_objects(inside.astype(np.uint8))[0], spacing_zyx_mm, strict=True)
    )
    away_mm = distance_transform_edt(~inside[box], sampling=spacing_zyx_mm)
    near = (away_mm > 0) & (away_mm <= ring_mm)
    unlabelled = near & (label[box] == 0)
    return box, unlabelled if unlabelled.sum() >= _LEAST_UNLABELLED * near.sum() else near


def mean_of(image: np.ndarray, box: tuple[slice, ...], ring: np.ndarray) -> float:
    """Mean intensity of a ring; nan of one without voxels."""
    return float(image[box][ring].mean(dtype=np.float64)) if ring.any() else float("nan")


def finite(group: Sequence[Appearance], quantity: Quantity) -> np.ndarray:
    """The values of one quantity, without those that are not defined."""
    values = np.array([getattr(one, quantity) for one in group], dtype=float)
    return values[np.isfinite(values)]


def distance(one: Sequence[Appearance], other: Sequence[Appearance], quantity: Quantity = "contrast") -> float:
    """1-Wasserstein distance between two sets of cases, in the quantity's unit; nan where a set is empty."""
    first, second = finite(one, quantity), finite(other, quantity)
    if not (first.size and second.size):
        return float("nan")
    from scipy.stats import wasserstein_distance  # half a second to import, which the stages that measure are spared

    return float(wasserstein_distance(first, second))


def places(group: Sequence[Appearance]) -> np.ndarray:
    """(n, 2): log10 of the volume in mm3, and mean intensity, of those that are there."""
    found = [(np.log10(one.volume_mm3), one.mean) for one in group if one.volume_mm3 > 0 and np.isfinite(one.mean)]
    return np.array(found, dtype=float).reshape(-1, 2)


def density(points: np.ndarray) -> gaussian_kde | None:
    """Gaussian kernels of Scott's bandwidth over (n, 2) points; `None` of too few, or of points on a line."""
    if len(points) < 4 or np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-6) < 2:
        return None
    from scipy.stats import gaussian_kde  # as above

    return gaussian_kde(points.T)


def overlap(one: Sequence[Appearance], other: Sequence[Appearance], steps: int = 128) -> float:
    """Integral of the lesser of two joint densities of volume (by its logarithm) and mean intensity (Fig. 7).

    Returns:
        0: sets that are apart, 1: equal; nan where a density is not defined.
    """
    sets = [places(one), places(other)]
    kernels = [found for found in map(density, sets) if found is not None]
    if len(kernels) < 2:
        return float("nan")
    reach = np.sqrt(np.max([np.diag(one.covariance) for one in kernels], axis=0))
    both = np.concatenate(sets)
    low, high = both.min(axis=0) - 4.0 * reach, both.max(axis=0) + 4.0 * reach
    grid = np.stack(np.meshgrid(*(np.linspace(a, b, steps) for a, b in zip(low, high, strict=True)))).reshape(2, -1)
    heights = [one(grid) for one in kernels]
    return float(np.minimum(*heights).sum() / max(one.sum() for one in heights))
