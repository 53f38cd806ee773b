"""Which of a scan's axes runs where in the patient, and its array turned so that Z, Y, X run as in any other's.

Slices are what follows on Z: those that were acquired, or those of one of the patient's planes. ITK's patient axes run
towards left, posterior and superior.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from gbaseg.planes import Plane, Slices
from gbaseg.volume.grid import Grid

T = TypeVar("T")

# Where Z, Y, X run in slices of a plane: patient axis (0 left, 1 posterior, 2 superior), and towards it or away. All
# right-handed; sagittal and coronal slices stand upright.
_TOWARDS: dict[Plane, tuple[tuple[int, int], tuple[int, int], tuple[int, int]]] = {
    "axial": ((2, 1), (1, 1), (0, 1)),
    "sagittal": ((0, -1), (2, -1), (1, 1)),
    "coronal": ((1, 1), (2, -1), (0, 1)),
}
# Voxels are clearly thickest along an axis from this many times their next longest side.
_THICK = 1.5
# Up to this angle to a patient axis slices are of its plane. Short-axis slices of a heart (about 53 degrees to the long
# axis, equally far from the three) and long-axis ones (about 38) are beyond it, tilted heads within.
_OF_PLANE = math.cos(math.radians(30.0))
# Oblique slices are counted towards this side. Where slices stand at right angles to it two alike may differ: far from
# coronal, sagittal and a heart's short-axis slices, and between sagittal ones and those along the heart.
_SIDE = np.array([-math.sin(math.radians(22.5)), math.cos(math.radians(22.5)), 0.0])
# Cases are turned alike while no axis is further than this from its fellow.
_ALIKE = math.cos(math.radians(45.0))


@dataclass(frozen=True)
class Turn:
    """How array axes were permuted and flipped to give Z, Y, X; axial: towards superior, posterior, left.

    Args:
        axes: which axis of the scan's own array becomes Z, Y, X.
        flipped: whether that axis is then reversed.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """(own axes) -> (Z, Y, X). A view."""
        return self._flip(array.transpose(self.axes))

    def undo(self, array: np.ndarray) -> np.ndarray:
        """(Z, Y, X) -> (own axes); undo(apply(a)) == a. A view."""
        return self._flip(array).transpose(np.argsort(self.axes))

    def grid(self, own: Grid) -> Grid:
        """The grid of the turned array: every voxel stays where it is in the patient."""
        direction = np.array(own.direction).reshape(3, 3)
        # Array axis a (Z, Y, X) is column 2 - a of the direction matrix (x, y, z).
        first = [own.shape[axis] - 1 if flip else 0 for axis, flip in zip(self.axes, self.flipped, strict=True)]
        offset_xyz = np.array(own.origin_xyz_mm)
        columns = []
        for axis, flip, index in zip(self.axes, self.flipped, first, strict=True):
            column = direction[:, 2 - axis]
            offset_xyz = offset_xyz + index * own.spacing_zyx_mm[axis] * column
            columns.append(-column if flip else column)
        turned = np.stack(columns[::-1], axis=1).ravel()
        # ITK inverts the matrix by an SVD, which breaks down (no error, empty results) on denormal numbers.
        turned[np.abs(turned) < 1e-12] = 0.0
        return Grid(
            shape=_three(own.shape[axis] for axis in self.axes),
            spacing_zyx_mm=_three(own.spacing_zyx_mm[axis] for axis in self.axes),
            origin_xyz_mm=_three(float(v) for v in offset_xyz),
            direction=tuple(float(v) for v in turned),
        )

    def _flip(self, array: np.ndarray) -> np.ndarray:
        return array[tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)]


def _three(values: Iterable[T]) -> tuple[T, T, T]:
    z, y, x = values
    return (z, y, x)


def _column_of_row(near: np.ndarray) -> dict[int, int]:
    """Gives every patient axis (row) one voxel axis (column) by how near they are, also where two are equally near."""
    columns = near.argmax(axis=1).tolist()
    clear = (np.sort(near, axis=1)[:, -1] > np.sort(near, axis=1)[:, -2]).all()
    if len(set(columns)) == 3 and clear:
        return dict(enumerate(columns))  # each row's only largest: no other assignment comes near
    from scipy.optimize import linear_sum_assignment  # slow to import, and few scans are as oblique as that

    rows, columns = linear_sum_assignment(-near)
    return dict(zip(rows.tolist(), columns.tolist(), strict=True))


def turn_to_axial(own: Grid) -> Turn:
    """The turn that makes the array's first axis the one nearest to the patient's long axis, and so on.

    Oblique scans keep their small angle: only whole quarter turns and mirrorings are undone.
    """
    return _turn_to_plane(own, "axial")


def turn_to_slices(own: Grid, slices: Slices) -> Turn:
    """The turn that puts the slices asked for on Z: alike for all scans whose slices lie about alike in the patient.

    Args:
        own: the scan's grid.
        slices: of the plane of that name, by the voxel axes nearest to it; `acquired`: across the clearly thickest
            voxels, axial where there are none.
    """
    if slices != "acquired":
        return _turn_to_plane(own, slices)
    thick = thickest_axis(own)
    if thick is None:
        return turn_to_axial(own)
    direction = np.array(own.direction).reshape(3, 3)
    normal = direction[:, 2 - thick]
    if abs(normal[2]) > _OF_PLANE:
        return turn_to_axial(own)
    # As on a viewer: Y as far downwards as the slice lets it. Coronal and sagittal slices lie as _TOWARDS has it, and
    # what is between them turns steadily from the one to the other: no normal near (-0.6, 0.5, 0.6) is beside one that
    # is turned otherwise, as it is where the nearest patient axis decides.
    flip_z = bool(normal @ _SIDE < 0)
    z = -normal if flip_z else normal
    y = z[2] * z - np.array([0.0, 0.0, 1.0])
    x = np.cross(y, z)
    first, second = (axis for axis in range(3) if axis != thick)
    turns = [
        Turn((thick, *axes), (flip_z, flip_y, flip_x))
        for axes in ((first, second), (second, first))
        for flip_y in (False, True)
        for flip_x in (False, True)
    ]

    def nearness(turn: Turn) -> float:
        x_axis, y_axis, _ = np.array(turn.grid(own).direction).reshape(3, 3).T
        return float(y_axis @ y + x_axis @ x)

    return max(turns, key=nearness)


def thickest_axis(grid: Grid) -> int | None:
    """The array axis with the clearly longest voxel side, which is that across acquired slices; None: there is none."""
    order = sorted(range(3), key=lambda axis: grid.spacing_zyx_mm[axis])
    thick, next_to_it = (grid.spacing_zyx_mm[axis] for axis in order[:0:-1])
    return order[-1] if thick >= _THICK * next_to_it else None


def plane_of(turned: Grid) -> Plane | Literal["oblique"]:
    """The patient's plane that the slices of a turned grid are of, within 30 degrees."""
    normal = np.abs(np.array(turned.direction).reshape(3, 3)[:, 2])
    planes: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
    return planes[int(normal.argmax())] if normal.max() > _OF_PLANE else "oblique"


def turned_otherwise(turned: Sequence[Grid]) -> list[int]:
    """Which of some turned grids lie otherwise in the patient than most: an axis more than 45 degrees off."""
    if not turned:
        return []
    frames = np.array([grid.direction for grid in turned]).reshape(-1, 3, 3)
    # Cosine between the same axis of each two, the worst of three: (scans, scans).
    alike = np.einsum("iab,jab->ijb", frames, frames).min(axis=2) >= _ALIKE
    most = alike.sum(axis=1).argmax()
    return np.flatnonzero(~alike[most]).tolist()


def _turn_to_plane(own: Grid, plane: Plane) -> Turn:
    direction = np.array(own.direction).reshape(3, 3)
    column_of = _column_of_row(np.abs(direction))
    towards = _TOWARDS[plane]
    return Turn(
        axes=_three(2 - column_of[row] for row, _ in towards),
        flipped=_three(bool(sign * direction[row, column_of[row]] < 0) for row, sign in towards),
    )
