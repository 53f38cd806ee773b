"""A voxel grid in patient space, and voxels on one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class NiftiForms:
    """What a NIfTI header says of the place of its voxels, in its own unit and axes (RAS): what masks repeat.

    Numbers and codes only. A form without a code is all 0.

    Args:
        sform_code, qform_code: NIfTI's; 0: this form is not used.
        srow: the 3 x 4 matrix of the sform, row by row.
        quaternion_bcd, qoffset, qfac: of the qform.
        pixdim: voxel sizes along (x, y, z), all above 0.
        unit: NIfTI's code: 0 not said (taken for mm), 1 metre, 2 mm, 3 micrometre.
    """

    sform_code: int
    qform_code: int
    srow: tuple[float, ...]
    quaternion_bcd: tuple[float, float, float]
    qoffset: tuple[float, float, float]
    qfac: float
    pixdim: tuple[float, float, float]
    unit: int


@dataclass(frozen=True)
class Grid:
    """A voxel grid in patient space.

    Args:
        shape: voxels along (Z, Y, X).
        spacing_zyx_mm: voxel size along (Z, Y, X) in mm.
        origin_xyz_mm: centre of the first voxel, ITK's order (x, y, z), in mm.
        direction: the 9 direction cosines, row by row, ITK's order.
        forms: how the NIfTI file that the grid was read from said so; a file written on this grid repeats it.
    """

    shape: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    origin_xyz_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    forms: NiftiForms | None = None

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing_zyx_mm))

    def agrees_with(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Same shape, and spacing, origin and direction within `tolerance` (mm; cosines)."""
        return self.shape == other.shape and all(
            np.allclose(mine, theirs, rtol=0.0, atol=tolerance)
            for mine, theirs in (
                (self.spacing_zyx_mm, other.spacing_zyx_mm),
                (self.origin_xyz_mm, other.origin_xyz_mm),
                (self.direction, other.direction),
            )
        )

    def difference_from(self, other: Grid, tolerance: float = 1e-3) -> str:
        """What differs, in ITK's order, for a message; empty where the grids agree."""
        pairs = {
            "voxels": (self.shape[::-1], other.shape[::-1]),
            "spacing": (self.spacing_zyx_mm[::-1], other.spacing_zyx_mm[::-1]),
            "origin": (self.origin_xyz_mm, other.origin_xyz_mm),
            "direction": (self.direction, other.direction),
        }
        return ", ".join(
            f"{name} {numbers_as_text(mine)} against {numbers_as_text(theirs)}"
            for name, (mine, theirs) in pairs.items()
            if not np.allclose(mine, theirs, rtol=0.0, atol=tolerance)
        )

    def shifted(self, start_zyx: tuple[int, int, int], shape: tuple[int, int, int]) -> Grid:
        """The grid of the box that starts at voxel `start_zyx` (may be negative) and has `shape` voxels."""
        step_xyz = np.array(start_zyx[::-1]) * np.array(self.spacing_zyx_mm[::-1])
        origin = np.array(self.origin_xyz_mm) + np.array(self.direction).reshape(3, 3) @ step_xyz
        return replace(self, shape=shape, origin_xyz_mm=_triple(origin), forms=None)

    def respaced(self, spacing_zyx_mm: tuple[float, float, float]) -> Grid:
        """The grid of another spacing over the same physical extent: the outer voxel *faces* stay where they are.

        Shape is rounded up, so the new grid covers at least the old one.
        """
        old, new = np.array(self.spacing_zyx_mm), np.array(spacing_zyx_mm, dtype=float)
        # A tolerance, so that 10 voxels of 0.6 mm over 6.000000001 mm stay 10.
        shape = np.maximum(1, np.ceil(np.array(self.shape) * old / new - 1e-4)).astype(int)
        # Half a voxel from face to centre, before and after.
        offset_xyz = ((new - old) / 2.0)[::-1]
        origin = np.array(self.origin_xyz_mm) + np.array(self.direction).reshape(3, 3) @ offset_xyz
        return replace(
            self,
            shape=(int(shape[0]), int(shape[1]), int(shape[2])),
            spacing_zyx_mm=_triple(new),
            origin_xyz_mm=_triple(origin),
            forms=None,
        )


def numbers_as_text(values: Sequence[float] | np.ndarray) -> str:
    """For a message: `0.6, 0.6, 1`."""
    return ", ".join(f"{value:.6g}" for value in values)


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


@dataclass(frozen=True)
class Volume:
    """Voxels `array` (Z, Y, X) on a `grid`.

    Args:
        notes: what its file says that was not followed, in words, for whoever looks at results.
        placed: False where the file does not say where in the patient the voxels lie, nor which side is left.
    """

    array: np.ndarray
    grid: Grid
    notes: tuple[str, ...] = ()
    placed: bool = True

    def __post_init__(self) -> None:
        if tuple(self.array.shape) != tuple(self.grid.shape):
            raise ValueError(f"array of shape {self.array.shape} on a grid of shape {self.grid.shape}")

    def with_array(self, array: np.ndarray) -> Volume:
        """Other voxels on the same grid."""
        return replace(self, array=array)
