"""Dice and average symmetric surface distance of one case, as CrossMoDA 2022 computed them (METHOD 7).

A mask's surface are its voxels with a face neighbour outside the mask; what lies outside the image counts as
outside the mask. That is MedPy's definition (connectivity 1), and the tests hold every value against MedPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt

from gbaseg.evaluation.settings import EMPTY_ASSD_MM


class SurfaceDistances(NamedTuple):
    """Distances in mm from each surface voxel of one mask to the nearest surface voxel of the other, 1D each."""

    reference_to_prediction: np.ndarray
    prediction_to_reference: np.ndarray


def dice(reference: np.ndarray, prediction: np.ndarray) -> float:
    """Dice = 2 |R and P| / (|R| + |P|).

    Args:
        reference, prediction: masks of one shape; non-zero is inside.

    Returns:
        0 to 1; `nan` (undefined) where the reference is empty, whatever the prediction is.
    """
    reference, prediction = _masks(reference, prediction)
    inside = np.count_nonzero(reference)
    if inside == 0:
        return math.nan
    both = np.count_nonzero(reference & prediction)
    return float(2.0 * both / (inside + np.count_nonzero(prediction)))


def directed_surface_distances(
    reference: np.ndarray, prediction: np.ndarray, spacing_zyx_mm: Sequence[float]
) -> SurfaceDistances:
    """Both sets of surface distances.

    Args:
        reference, prediction: masks (Z, Y, X) of one shape, none of them empty; non-zero is inside.
        spacing_zyx_mm: voxel size in mm along the axes of the masks.

    Raises:
        ValueError: an empty mask (there is no surface), other shapes, or a spacing that is not positive.
    """
    reference, prediction = _masks(reference, prediction)
    if len(spacing_zyx_mm) != reference.ndim or not all(0 < step < math.inf for step in spacing_zyx_mm):
        raise ValueError(f"spacing {tuple(spacing_zyx_mm)} for masks with {reference.ndim} axes")
    # All surface voxels lie in the joint box of the two masks, and nothing outside it is inside either: the box
    # gives the same surfaces and distances as the whole image, at a small part of the cost.
    box = _joint_box(reference, prediction)
    reference_surface, prediction_surface = _surface(reference[box]), _surface(prediction[box])
    to_reference = distance_transform_edt(~reference_surface, sampling=spacing_zyx_mm)
    to_prediction = distance_transform_edt(~prediction_surface, sampling=spacing_zyx_mm)
    return SurfaceDistances(to_prediction[reference_surface], to_reference[prediction_surface])


def assd_mm(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_zyx_mm: Sequence[float],
    empty_mm: float = EMPTY_ASSD_MM,
) -> float:
    """CrossMoDA's ASSD: the mean of the two directed mean surface distances (MedPy up to 0.4).

    Args:
        reference, prediction: masks (Z, Y, X) of one shape; non-zero is inside.
        spacing_zyx_mm: voxel size in mm along (Z, Y, X).
        empty_mm: the value of an empty prediction where the reference is not empty.

    Returns:
        mm; `nan` (undefined) where the reference is empty.
    """
    return both_assd_mm(reference, prediction, spacing_zyx_mm, empty_mm)[0]


def pooled_assd_mm(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_zyx_mm: Sequence[float],
    empty_mm: float = EMPTY_ASSD_MM,
) -> float:
    """ASSD with the distances of both directions in one pool (MedPy 0.5): the larger surface weighs more.

    Arguments, empty masks and unit as in `assd_mm`.
    """
    return both_assd_mm(reference, prediction, spacing_zyx_mm, empty_mm)[1]


def both_assd_mm(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_zyx_mm: Sequence[float],
    empty_mm: float = EMPTY_ASSD_MM,
) -> tuple[float, float]:
    """`assd_mm` and `pooled_assd_mm` at the cost of one of them."""
    reference, prediction = _masks(reference, prediction)
    if not reference.any():
        return math.nan, math.nan
    if not prediction.any():
        return empty_mm, empty_mm
    distances = directed_surface_distances(reference, prediction, spacing_zyx_mm)
    symmetric = float(np.mean([directed.mean() for directed in distances]))
    return symmetric, float(np.concatenate(distances).mean())


def _masks(reference: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if np.shape(reference) != np.shape(prediction):
        raise ValueError(f"masks of shapes {np.shape(reference)} (reference) and {np.shape(prediction)} (prediction)")
    return np.asarray(reference, dtype=bool), np.asarray(prediction, dtype=bool)


def _surface(mask: np.ndarray) -> np.ndarray:
    # Its default structure is connectivity 1, and outside the array is background.
    return mask ^ binary_erosion(mask)


def _joint_box(first: np.ndarray, second: np.ndarray) -> tuple[slice, ...]:
    boxes = [_box(first), _box(second)]
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(boxes[0], boxes[1], strict=True))


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask; one pass over the whole array, the other axes within what is left."""
    box: list[slice] = []
    for axis in range(mask.ndim):
        part = mask[tuple(box)]
        others = tuple(other for other in range(mask.ndim) if other != axis)
        where = np.flatnonzero(part.any(axis=others))
        if where.size == 0:
            raise ValueError("an empty mask has no surface")
        box.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(box)
