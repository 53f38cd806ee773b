"""Masks that were corrected elsewhere (ITK-SNAP, 3D Slicer): found, checked, and taken over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from gbaseg import volume
from gbaseg.errors import UserError
from gbaseg.review.decisions import hash_of
from gbaseg.review.register import write_durably
from gbaseg.volume import FORMATS, Grid, Volume

_STARTED_OTHERWISE = "save the segmentation on the grid of the image that was opened, without cropping or resampling"
# mm and cosines: single precision in a header, and what editors round.
_TOLERANCE = 1e-3


def mask_path(folder: Path, case: str, mask: str) -> Path:
    """Where a corrected mask lies.

    Args:
        folder: of the round.
        case: whose it is.
        mask: `Decision.mask`. In the name, so that a new one never takes the place of one that a decision names.
    """
    return folder / f"{case}.{mask}.nii.gz"


def find_edited(folder: Path, untouched: Collection[str]) -> Path:
    """The mask that somebody has saved for a case.

    Args:
        folder: where it is to be saved, under any name.
        untouched: `hash_of` masks that are no correction: the copy that was put there.

    Raises:
        UserError: there is none but the copy as it was, or more than one.
    """
    files = sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
    images = [path for path in files if path.name.lower().endswith(tuple(FORMATS))]
    edited = [path for path in images if hash_of(path) not in untouched]
    if len(edited) == 1:
        return edited[0]
    if edited:
        raise UserError(f"{folder}: {len(edited)} masks: {', '.join(path.name for path in edited)}; keep one of them")
    if images:
        raise UserError(f"{folder}: {images[0].name} is as it was put there; save the corrected mask over it")
    others = f" ({', '.join(path.name for path in files)})" if files else ""
    raise UserError(f"{folder}: no mask{others}; save it there, in one of {', '.join(FORMATS)}")


def read_checked(path: Path, grid: Grid, labels: Mapping[str, int]) -> np.ndarray:
    """A mask (Z, Y, X), uint8, on the grid of its image.

    3D Slicer saves the part of a segmentation that is not empty; it is put back where it belongs.

    Args:
        path: the mask.
        grid: of the image.
        labels: value of each structure.

    Raises:
        UserError: it is no mask, lies elsewhere, or has other values. All of it is said at once.
    """
    mask = volume.read_label(path)
    faults = []
    values = {int(value) for value in np.unique(mask.array)}
    if others := sorted(values - {0, *labels.values()}):
        allowed = ", ".join(["0", *(f"{value} ({name})" for name, value in labels.items())])
        faults.append(f"value(s) {', '.join(map(str, others))}; allowed: {allowed}")
    placed = mask if volume.same_voxels(mask.grid, grid) else _put_back(mask, grid)
    if placed is None:
        differs = mask.grid.difference_from(grid)
        faults.append(f"it does not lie on the image's voxels: {differs}; allowed: {_STARTED_OTHERWISE}")
    if faults or placed is None:
        raise UserError("\n".join(f"{path}: {fault}" for fault in faults))
    return np.ascontiguousarray(placed.array.astype(np.uint8))


def _put_back(mask: Volume, grid: Grid) -> Volume | None:
    """A box of the grid's voxels on the whole of it; `None` where it is no such box."""
    same = np.allclose(mask.grid.spacing_zyx_mm, grid.spacing_zyx_mm, rtol=0, atol=_TOLERANCE) and np.allclose(
        mask.grid.direction, grid.direction, rtol=0, atol=_TOLERANCE
    )
    if not same:
        return None
    offset_mm = np.subtract(mask.grid.origin_xyz_mm, grid.origin_xyz_mm) @ np.array(grid.direction).reshape(3, 3)
    start = (offset_mm / grid.spacing_zyx_mm[::-1])[::-1]
    whole = np.rint(start).astype(int)
    if np.abs((start - whole) * grid.spacing_zyx_mm).max() > _TOLERANCE * 10:
        return None
    if (whole < 0).any() or (whole + mask.grid.shape > grid.shape).any():
        return None
    array = np.zeros(grid.shape, mask.array.dtype)
    array[tuple(slice(low, low + size) for low, size in zip(whole, mask.grid.shape, strict=True))] = mask.array
    return Volume(array, grid)


def keep_mask(array: np.ndarray, grid: Grid, folder: Path, case: str) -> str:
    """Write a mask into the round's folder, to the disk.

    Returns:
        Its `Decision.mask`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f".partial-of-{case}.nii.gz"
    try:
        volume.write(Volume(array, grid), made)
        content, found = made.read_bytes(), hash_of(made)
    finally:
        made.unlink(missing_ok=True)
    path = mask_path(folder, case, found)
    if not path.is_file() or hash_of(path) != found:
        write_durably(path, content)
    return found
