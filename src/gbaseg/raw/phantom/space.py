"""The head's own coordinates on a scan's grid, and the shapes that anatomy is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

Point = tuple[float, float, float]
Box = tuple[slice, slice, slice]
# Slices: so few that what is computed on the way stays in the processor's cache, and no call's overhead counts.
_SLAB = 8


def slabs(shape: tuple[int, ...]) -> Iterator[Box]:
    """All of a grid (Z, Y, X), a few slices at a time."""
    for first in range(0, shape[0], _SLAB):
        yield slice(first, min(first + _SLAB, shape[0])), slice(0, shape[1]), slice(0, shape[2])


def box_around(mask: np.ndarray) -> Box:
    """The smallest box that holds all of `mask` (Z, Y, X); one of no voxels where there is nothing in it."""
    over_z = np.logical_or.reduce(mask, axis=0)
    filled = [np.flatnonzero(row) for row in (mask.any(axis=(1, 2)), over_z.any(axis=1), over_z.any(axis=0))]
    return tuple(slice(int(at[0]), int(at[-1]) + 1) if at.size else slice(0, 0) for at in filled)  # type: ignore[return-value]


def grown(radii: Point, by_mm: float) -> Point:
    """Radii of the surface on which `Space.ellipsoid` is -`by_mm`."""
    factor = 1 + by_mm / float(np.cbrt(np.prod(radii)))
    return (radii[0] * factor, radii[1] * factor, radii[2] * factor)


def rotation(angles_deg: np.ndarray) -> np.ndarray:
    """Rotation matrix (3, 3) about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(angles_deg)), np.sin(np.radians(angles_deg))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@dataclass(frozen=True)
class Space:
    """Head coordinates of every voxel.

    x runs to the patient's left, y to the back, z up; (0, 0, 0) is on the midline between the porus acustici, mm.

    Args:
        x, y, z: head coordinates (Z, Y, X), float32: tilted, scaled and deformed.
        spacing_zyx_mm: voxel size.
        to_head: matrix (3, 3) from the scan's axes (x, y, z) to the head's, before deformation.
        margin_mm: the most that deformation moves anything.
        grid_shape: (Z, Y, X) of the scan's grid.
        first: index (Z, Y, X) on it of the first voxel here, where this is a part of the grid.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    spacing_zyx_mm: tuple[float, float, float]
    to_head: np.ndarray
    margin_mm: float
    grid_shape: tuple[int, int, int]
    first: tuple[int, int, int] = (0, 0, 0)

    def box(self, centre: Point, radii: Point) -> Box:
        """Slices (Z, Y, X) that surely hold all voxels within `radii` (along x, y, z) of `centre`."""
        to_scan = np.linalg.inv(self.to_head)
        middle = (to_scan @ np.array(centre))[::-1]
        half = (np.abs(to_scan) @ np.array(radii))[::-1] + self.margin_mm
        spacing, on_grid = np.array(self.spacing_zyx_mm), (np.array(self.grid_shape) - 1) / 2
        low = np.floor((middle - half) / spacing + on_grid).astype(int) - self.first
        high = np.ceil((middle + half) / spacing + on_grid).astype(int) + 1 - self.first
        low, high = np.clip(low, 0, self.x.shape), np.clip(high, 0, self.x.shape)
        return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def part(self, box: Box) -> Space:
        """The same space on a part of the grid."""
        z, y, x = (first + side.start for first, side in zip(self.first, box, strict=True))
        return replace(self, x=self.x[box], y=self.y[box], z=self.z[box], first=(z, y, x))

    def ellipsoid(self, centre: Point, radii: Point) -> np.ndarray:
        """Depth below the surface, about mm: positive inside, 0 on it, negative outside."""
        ratio = np.square((self.x - np.float32(centre[0])) * np.float32(1 / radii[0]))
        ratio += np.square((self.y - np.float32(centre[1])) * np.float32(1 / radii[1]))
        ratio += np.square((self.z - np.float32(centre[2])) * np.float32(1 / radii[2]))
        np.sqrt(ratio, out=ratio)
        return np.float32(np.cbrt(np.prod(radii))) * (1 - ratio)

    def capsule(self, start: Point, end: Point, radius: float, end_radius: float | None = None) -> np.ndarray:
        """Depth in mm below the surface of a rod from `start` to `end`, tapering to `end_radius`."""
        a, b = np.array(start, np.float32), np.array(end, np.float32)
        axis = b - a
        dx, dy, dz = self.x - a[0], self.y - a[1], self.z - a[2]
        along = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / np.float32((axis**2).sum()), 0, 1)
        distance = np.sqrt((dx - along * axis[0]) ** 2 + (dy - along * axis[1]) ** 2 + (dz - along * axis[2]) ** 2)
        end_radius = radius if end_radius is None else end_radius
        return np.float32(radius) + along * np.float32(end_radius - radius) - distance

    def torus(self, centre: Point, axis: Point, radius: float, tube: float) -> np.ndarray:
        """Depth in mm below the surface of a ring of `radius` about `axis`, `tube` its half thickness."""
        unit = np.array(axis, np.float32) / np.float32(np.linalg.norm(axis))
        dx, dy, dz = (
            self.x - np.float32(centre[0]),
            self.y - np.float32(centre[1]),
            self.z - np.float32(centre[2]),
        )
        along = dx * unit[0] + dy * unit[1] + dz * unit[2]
        across = np.sqrt(np.maximum(dx * dx + dy * dy + dz * dz - along * along, 0))
        return np.float32(tube) - np.sqrt((across - np.float32(radius)) ** 2 + along * along)

    def pushed_from(self, centre: Point, radius: float) -> Space:
        """The space in which a ball has grown at `centre` and pushed everything away: d'^3 = d^3 - radius^3."""
        box = self.box(centre, (5 * radius,) * 3)
        x, y, z = self.x.copy(), self.y.copy(), self.z.copy()
        dx, dy, dz = (
            x[box] - np.float32(centre[0]),
            y[box] - np.float32(centre[1]),
            z[box] - np.float32(centre[2]),
        )
        cubed = (dx * dx + dy * dy + dz * dz) ** np.float32(1.5)
        factor = np.cbrt(np.maximum(1 - np.float32(radius**3) / np.maximum(cubed, np.float32(1e-3)), 0))
        x[box] = np.float32(centre[0]) + dx * factor
        y[box] = np.float32(centre[1]) + dy * factor
        z[box] = np.float32(centre[2]) + dz * factor
        return replace(self, x=x, y=y, z=z)
