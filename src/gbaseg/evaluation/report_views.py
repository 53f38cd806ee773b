"""Scans with their masks, small enough to lie in a page: cut out around the masks, a byte a voxel."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import numpy as np

from gbaseg.volume import Volume, nifti_bytes

# Around the masks, as far as there is room for it.
MARGINS_MM = (30.0, 20.0, 12.0, 6.0)
# Of the views of a page, as base64: the rest of 30 MB is for pictures (64 cases: 5 MB) and the viewer (1 MB).
_ALL_BYTES = 20_000_000
# A case is never cut smaller than this for others' sake, and never larger than it is worth.
_LEAST, _MOST = 100_000, 1_000_000
_BASE64 = 4 / 3


@dataclass(frozen=True)
class View:
    """What opens behind a row.

    Args:
        name: in the page.
        parts: `image`, `prediction` and, where there is one, `reference`: NIfTI, packed, uint8.
        words: what was left out of the scan.
    """

    name: str
    parts: dict[str, bytes]
    words: str


def room_for(cases: int) -> int:
    """Bytes that each of so many cases may take before base64."""
    return int(min(_MOST, max(_LEAST, _ALL_BYTES / max(cases, 1))) / _BASE64)


def cut_out(name: str, image: Volume, prediction: np.ndarray, reference: np.ndarray | None, most_bytes: int) -> View:
    """What of a case is shown: a box around its masks, as wide as fits; of scans that still do not, every other voxel.

    Args:
        name: of the view.
        image: standardised: 0 to 1, what is beyond is cut off.
        prediction, reference: labels (Z, Y, X) on the image's grid, 0 to 255.
        most_bytes: that all parts take together; less than a thousand voxels take is not possible.
    """
    grey = image.with_array(np.round(np.clip(image.array, 0.0, 1.0) * 255).astype(np.uint8))
    parts = {"image": grey, "prediction": grey.with_array(prediction.astype(np.uint8))}
    if reference is not None:
        parts["reference"] = grey.with_array(reference.astype(np.uint8))
    anything = prediction > 0 if reference is None else (prediction > 0) | (reference > 0)
    for margin_mm in MARGINS_MM:
        boxes = {key: _box(volume, anything, margin_mm) for key, volume in parts.items()}
        packed = {key: _packed(volume) for key, volume in boxes.items()}
        if _size(packed) <= most_bytes or not anything.any():
            break
    where = f"cut out {margin_mm:g} mm around the masks" if anything.any() else "whole: there is no mask"
    while _size(packed) > most_bytes and max(boxes["image"].grid.shape) > 10:
        boxes = {key: _halved(volume, key == "image") for key, volume in boxes.items()}
        packed = {key: _packed(volume) for key, volume in boxes.items()}
    grid = boxes["image"].grid
    voxels, spacing = (" × ".join(f"{value:.3g}" for value in of[::-1]) for of in (grid.shape, grid.spacing_zyx_mm))
    coarser = "" if grid.spacing_zyx_mm == image.grid.spacing_zyx_mm else ", coarser than it is"
    return View(name, packed, f"{where}: {voxels} voxels of {spacing} mm{coarser}")


def _size(packed: dict[str, bytes]) -> int:
    return sum(map(len, packed.values()))


def _box(volume: Volume, mask: np.ndarray, margin_mm: float) -> Volume:
    """The box around a mask (Z, Y, X); all where it is empty."""
    if not mask.any():
        return volume
    start, shape = [], []
    for axis, spacing in enumerate(volume.grid.spacing_zyx_mm):
        other = tuple(one for one in range(3) if one != axis)
        inside, margin = np.flatnonzero(mask.any(axis=other)), int(np.ceil(margin_mm / spacing))
        first, end = max(0, int(inside[0]) - margin), min(mask.shape[axis], int(inside[-1]) + 1 + margin)
        start.append(first)
        shape.append(end - first)
    (z, y, x), (nz, ny, nx) = start, shape
    grid = volume.grid.shifted((z, y, x), (nz, ny, nx))
    return Volume(volume.array[z : z + nz, y : y + ny, x : x + nx], grid)


def _halved(volume: Volume, is_image: bool) -> Volume:
    """Half as many voxels along the axis where they are finest: means of the image, the larger of two labels.

    So no voxel of a mask disappears; a mask is up to one fine voxel wider.
    """
    long = [axis for axis in range(3) if volume.array.shape[axis] > 1]
    axis = min(long, key=lambda one: volume.grid.spacing_zyx_mm[one])
    spacing = list(volume.grid.spacing_zyx_mm)
    spacing[axis] *= 2
    grid = volume.grid.respaced((spacing[0], spacing[1], spacing[2]))
    odd = volume.array.shape[axis] % 2
    padded = np.pad(volume.array, [(0, odd if one == axis else 0) for one in range(3)], mode="edge")
    pairs = np.moveaxis(padded, axis, -1).reshape(*np.delete(padded.shape, axis), -1, 2)
    half = np.round(pairs.mean(axis=-1)) if is_image else pairs.max(axis=-1)
    return Volume(np.ascontiguousarray(np.moveaxis(half.astype(np.uint8), -1, axis)), grid)


def _packed(volume: Volume) -> bytes:
    """The volume as a packed NIfTI file; equal ones to equal bytes."""
    return gzip.compress(nifti_bytes(volume), 6, mtime=0)
