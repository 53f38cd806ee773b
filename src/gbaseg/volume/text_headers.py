"""What MetaImage and NRRD have in common: headers of text, read without a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gbaseg.volume.flaws import Flawed
from gbaseg.volume.forms import check_spacing
from gbaseg.volume.grid import Grid

MOST_HEADER = 1 << 20
_SHEAR = 1e-3
_BRACKETS = str.maketrans("(),", "   ")


class Described(NamedTuple):
    """What a header of text says."""

    grid: Grid
    dtype: np.dtype
    packing: str  # "", "gzip" or "zlib"
    data_file: str  # beside the header; "" for the same file
    placed: bool


def grid_of(shape_xyz: tuple[int, int, int], spacing: np.ndarray, axes: np.ndarray, origin: np.ndarray) -> Grid:
    check_spacing(spacing)
    if np.abs(axes.T @ axes - np.eye(3)).max() > _SHEAR:
        shown = " / ".join(" ".join(f"{value:.4g}" for value in row) for row in axes)
        raise Flawed(f"axes that are not at right angles and of length 1 ({shown})", "three axes at right angles")
    if np.count_nonzero(axes) != 3:
        left, _, right = np.linalg.svd(axes)
        axes = left @ right
    x, y, z = shape_xyz
    sides, place = [float(v) for v in spacing], [float(v) for v in origin + 0.0]
    return Grid(
        (z, y, x), (sides[2], sides[1], sides[0]), (place[0], place[1], place[2]), tuple((axes + 0.0).ravel().tolist())
    )


def enter(fields: dict[str, str], key: str, value: str) -> None:
    if fields.setdefault(key, value) != value:
        raise Flawed(f"{key} twice: {fields[key]} and {value}", "every key once")


def text_of(line: bytes) -> str:
    """A line of a header. UTF-8, as in names of files; bytes that are not are kept, and so lead to their file."""
    return line.decode(errors="surrogateescape").rstrip("\r\n")


def first_of(fields: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    return next((fields[key] for key in keys if key in fields), None)


def numbers(text: str | None, count: int, name: str) -> np.ndarray:
    """Finite numbers, with or without brackets and commas."""
    try:
        values = np.array([float(word) for word in (text or "").translate(_BRACKETS).split()])
    except ValueError:
        values = np.array([])
    if len(values) != count or not np.isfinite(values).all():
        raise Flawed(f"{name} {text or 'missing'}", f"{count} finite numbers")
    return values


def sizes(text: str | None, name: str) -> tuple[int, int, int]:
    values = numbers(text, 3, name)
    if not ((values >= 1) & (values == np.rint(values)) & (values < 1 << 31)).all():
        raise Flawed(f"{name} {text}", "three whole numbers from 1 on")
    return int(values[0]), int(values[1]), int(values[2])


def type_of(text: str | None, types: Mapping[str, str], name: str) -> np.dtype:
    if text is None or text not in types:
        raise Flawed(f"{name} {text or 'missing'}", "whole or real numbers, one a voxel")
    return np.dtype(types[text])
