"""Size of a structure as it is written into reports: volume, diameters, mean intensity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gbaseg.segmentation.components import largest_components
from gbaseg.volume import Volume, turn_to_axial


@dataclass(frozen=True)
class Statistics:
    """Of one structure of a mask; NaN where there is none of it.

    Diameters are of its largest piece, between points half way between the centres of a voxel inside and its
    neighbour outside: where marching cubes puts the surface. A single voxel is as long as its sides.

    Args:
        structure: its name.
        volume_mm3: of all of it.
        diameter_mm: greatest distance between two points of the surface.
        axial_diameter_mm: greatest distance within one axial slice, of all slices (of the scan's own voxel planes that
            nearest to axial).
        axial_right_angle_mm: greatest width at right angles to that, in the same slice, of the outline without dents.
        mean_intensity: of the scan in it, in the scan's own numbers.
    """

    structure: str
    volume_mm3: float
    diameter_mm: float
    axial_diameter_mm: float
    axial_right_angle_mm: float
    mean_intensity: float


def statistics_of(structure: str, mask: Volume, value: int, scan: np.ndarray) -> Statistics:
    """Measure one structure.

    Args:
        mask: of the scan.
        value: of the structure in it.
        scan: the scan's voxels on the same grid.
    """
    inside = mask.array == value
    if not inside.any():
        return Statistics(structure, 0.0, math.nan, math.nan, math.nan, math.nan)
    volume_mm3 = float(np.count_nonzero(inside)) * mask.grid.voxel_mm3
    mean = float(scan[inside].mean(dtype=np.float64))
    turn = turn_to_axial(mask.grid)
    piece = _cut_out(largest_components(turn.apply(inside), 1))
    spacing = turn.grid(mask.grid).spacing_zyx_mm
    longest, across = _axial(piece, spacing)
    return Statistics(structure, volume_mm3, _greatest(_surface(piece, spacing))[0], longest, across, mean)


def _cut_out(mask: np.ndarray) -> np.ndarray:
    """The box around a mask that is not empty."""
    edges = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return mask[tuple(slice(where[0], where[-1] + 1) for where in edges)]


def _surface(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Points (n, axes) in mm half way between voxels of a mask and their neighbours outside of it."""
    padded = np.pad(mask, 1)
    points = []
    for axis in range(mask.ndim):
        for step in (-1, 1):
            faces = np.argwhere(padded & ~np.roll(padded, -step, axis)).astype(float)
            faces[:, axis] += 0.5 * step
            points.append(faces)
    return np.concatenate(points) * np.array(spacing)


def _greatest(points: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The greatest distance between two points (n, axes), the direction between them, and the corners of their hull.

    Points around a voxel span every axis: there always is a hull.
    """
    from scipy.spatial import ConvexHull  # slow to import, and not asked for by everybody
    from scipy.spatial.distance import pdist, squareform

    corners = points[ConvexHull(points).vertices]  # in 2D in their order around it
    distances = squareform(pdist(corners))
    one, other = np.unravel_index(int(distances.argmax()), distances.shape)
    return float(distances[one, other]), corners[other] - corners[one], corners


def _axial(mask: np.ndarray, spacing: tuple[float, ...]) -> tuple[float, float]:
    """Of the slice with the greatest diameter: that, and the greatest width at right angles to it, mm."""
    best: tuple[float, float] = (0.0, 0.0)
    for plane in mask:
        if plane.any():
            longest, along, corners = _greatest(_surface(plane, spacing[1:]))
            if longest > best[0] + 1e-9:
                best = (longest, _width(corners, along / longest))
    return best


def _width(corners: np.ndarray, along: np.ndarray) -> float:
    """Greatest chord of a convex outline (n, 2) at right angles to a direction: it ends at a corner."""
    across = np.array([-along[1], along[0]])
    u, v = corners @ along, corners @ across
    ends_u, ends_v = np.roll(u, -1), np.roll(v, -1)
    widest = 0.0
    for place in u:
        crossed = (np.minimum(u, ends_u) <= place) & (place <= np.maximum(u, ends_u))
        steep = np.abs(ends_u - u) > 1e-12
        share = np.where(steep, (place - u) / np.where(steep, ends_u - u, 1.0), 0.0)
        # An edge at right angles is a chord by itself: both of its ends are corners.
        heights = np.concatenate([(v + share * (ends_v - v))[crossed], ends_v[crossed & ~steep]])
        widest = max(widest, float(np.ptp(heights)))
    return widest
