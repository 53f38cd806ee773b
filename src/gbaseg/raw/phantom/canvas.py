"""What the phantom is made of, and shapes of it painted on a grid."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import numpy as np

from gbaseg.raw.phantom.space import Box, Point, Space, box_around, grown, slabs


class Tissue(IntEnum):
    """What a voxel is made of; the rows of `imaging`'s tables."""

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    BONE = 4
    MARROW = 5
    CSF = 6
    GREY = 7
    WHITE = 8
    STEM = 9
    VESSEL = 10
    MUCOSA = 11
    VITREOUS = 12
    COCHLEA = 13
    TUMOUR = 14
    CYST = 15


class Canvas:
    """Tissues (Z, Y, X), uint8, painted shape by shape: what is painted later lies on top."""

    def __init__(self, space: Space, tissue: np.ndarray | None = None) -> None:
        self.space = space
        self.tissue = np.zeros(space.x.shape, dtype=np.uint8) if tissue is None else tissue

    def part(self, box: Box) -> Canvas:
        """A part of the canvas: what is painted on it is painted here."""
        return Canvas(self.space.part(box), self.tissue[box])

    def in_slabs(self, paint: Callable[..., None], *fields: np.ndarray) -> None:
        """`paint(part, *fields)` for a few slices of the canvas and of fields (Z, Y, X) at a time."""
        for slab in slabs(self.tissue.shape):
            paint(self.part(slab), *(field[slab] for field in fields))

    def _near(self, centre: Point, radii: Point, reach: Point) -> Canvas:
        """The part of `Space.box` within `reach` of `centre`: a box allows for the most that deformation may do."""
        near = self.part(self.space.box(centre, radii))
        for axis, middle, most in zip("zyx", centre[::-1], reach[::-1], strict=True):
            near = near.part(box_around(np.abs(getattr(near.space, axis) - middle) < most + 1))
        return near

    def ellipsoid(
        self, centre: Point, radii: Point, tissue: Tissue, shell: Tissue | None = None, wall_mm: float = 1.5
    ) -> None:
        """Paint an ellipsoid, where `shell` is given inside a wall of that tissue."""
        reach = radii if shell is None else grown(radii, wall_mm)
        near = self._near(centre, tuple(r + wall_mm + 1 for r in radii), reach)  # type: ignore[arg-type]
        depth = near.space.ellipsoid(centre, radii)
        if shell is not None:
            near.tissue[depth > -wall_mm] = shell
        near.tissue[depth > 0] = tissue

    def capsule(
        self,
        start: Point,
        end: Point,
        radius: float,
        tissue: Tissue,
        end_radius: float | None = None,
    ) -> None:
        """Paint a rod."""
        centre = tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
        reach = max(radius, end_radius or radius) + 1
        half = tuple(abs(a - b) / 2 + reach for a, b in zip(start, end, strict=True))
        near = self._near(centre, half, half)  # type: ignore[arg-type]
        near.tissue[near.space.capsule(start, end, radius, end_radius) > 0] = tissue

    def torus(self, centre: Point, axis: Point, radius: float, tube: float, tissue: Tissue) -> None:
        """Paint a ring."""
        near = self._near(centre, (radius + tube + 1,) * 3, (radius + tube,) * 3)
        near.tissue[near.space.torus(centre, axis, radius, tube) > 0] = tissue
