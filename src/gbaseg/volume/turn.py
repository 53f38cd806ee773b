"""Which of a scan's axes runs where in the patient, and its array turned so that Z, Y, X run as in any other's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gbaseg.volume.grid import Grid

T = TypeVar("T")


@dataclass(frozen=True)
class Turn:
    """How array axes were permuted and flipped so that Z, Y, X run towards superior, posterior, left.

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

    ITK's patient axes run towards left, posterior and superior. Oblique scans keep their small angle: only whole
    quarter turns and mirrorings are undone.
    """
    direction = np.array(own.direction).reshape(3, 3)
    column_of = _column_of_row(np.abs(direction))
    patient_zyx = (2, 1, 0)
    return Turn(
        axes=_three(2 - column_of[row] for row in patient_zyx),
        flipped=_three(bool(direction[row, column_of[row]] < 0) for row in patient_zyx),
    )
