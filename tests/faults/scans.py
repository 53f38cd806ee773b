"""Scans for tests of malformed files: a head-like ellipsoid, a bright ball off its centre, so that flips show."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

# Left-right, front-back and head-foot run as in most scans: RAS matrix of voxels of 3 x 3 x 5 mm.
AFFINE = np.array([[-3.0, 0, 0, 40], [0, -3.0, 0, 30], [0, 0, 5.0, -20], [0, 0, 0, 1]])
BALL_XYZ = (0.66, 0.38, 0.6)  # centre, in shares of the volume


def head(shape_xyz: tuple[int, int, int] = (28, 28, 14), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(scan of 0 to 900, int16; the ball as a mask, uint8), both (X, Y, Z)."""
    axes = [(np.arange(size) + 0.5) / size for size in shape_xyz]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside = ((x - 0.5) / 0.38) ** 2 + ((y - 0.5) / 0.42) ** 2 + ((z - 0.5) / 0.42) ** 2 < 1
    ball = sum(((axis - at) / 0.12) ** 2 for axis, at in zip((x, y, z), BALL_XYZ, strict=True)) < 1
    rng = np.random.default_rng(seed)
    scan = rng.uniform(0, 30, shape_xyz) + inside * rng.normal(350, 20, shape_xyz)
    scan[ball] = rng.normal(850, 15, int(ball.sum()))
    return np.clip(scan, 0, 900).astype(np.int16), ball.astype(np.uint8)


def save(
    path: Path,
    array: np.ndarray | None = None,
    affine: np.ndarray | None = AFFINE,
    **fields: Any,
) -> Path:
    """A NIfTI file (X, Y, Z), then fields of its header set as they are given, whatever they say.

    Args:
        path: .nii or .nii.gz.
        array: default: the scan of `head`.
        affine: of both forms, code 1; None: no form has a code.
        fields: names of NIfTI's header and values; `pixdim={3: 0.0}` sets single entries.
    """
    image = nibabel.Nifti1Image(head()[0] if array is None else array, affine)
    if affine is not None:
        image.set_sform(affine, 1)
        image.set_qform(affine, 1)
    else:
        image.header.set_zooms((3.0, 3.0, 5.0))
    nibabel.save(image, path)
    if fields:
        edit(path, **fields)
    return path


def edit(path: Path, **fields: Any) -> None:
    """Set fields of the header of a NIfTI file in place; nothing is checked."""
    packed = path.name.endswith(".gz")
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    header = nibabel.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        if isinstance(value, Mapping):
            for index, entry in value.items():
                header[name][index] = entry
        else:
            header[name] = value
    content = header.binaryblock + content[348:]
    path.write_bytes(gzip.compress(content, 1) if packed else content)
