"""MetaImage and NRRD: a header of text, the voxels after it or in a file beside it. Nothing is guessed or filled in."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath

import numpy as np

from gbaseg.volume.flaws import Flawed, unreadable
from gbaseg.volume.formats import FORMATS, split_suffix
from gbaseg.volume.grid import Grid, Volume
from gbaseg.volume.metaimage import meta_image
from gbaseg.volume.nrrd import nrrd
from gbaseg.volume.packed import unpacked
from gbaseg.volume.text_headers import MOST_HEADER, Described


def read_text_format(path: Path, format_name: str) -> Volume:
    """Voxels (Z, Y, X) and their place.

    Raises:
        Flawed: the file or that of its voxels is damaged or missing, no 3D image of real numbers with a stated size
            of its voxels, or packed in a way that is not read.
    """
    start = path.read_bytes()
    described, end = _described(start, format_name)
    data = start[end:]
    if described.data_file:
        data = _beside(path, described.data_file).read_bytes()
    size = math.prod(described.grid.shape) * described.dtype.itemsize
    if described.packing:
        data = unpacked(data, size, gzip=described.packing == "gzip")
    if len(data) < size:
        raise unreadable(f"cut off: {len(data)} of {size} bytes of voxels are there")
    if any(data[size:]):
        raise Flawed(f"{len(data) - size} bytes follow the {size} bytes of voxels that the header tells of", "none")
    array = np.frombuffer(data, described.dtype, math.prod(described.grid.shape)).reshape(described.grid.shape)
    return Volume(array.astype(described.dtype.newbyteorder("=")), described.grid, placed=described.placed)


def read_text_grid(path: Path, format_name: str) -> Grid:
    """The grid from the header alone.

    Raises:
        Flawed: as `read_text_format`, as far as the header shows it.
    """
    with path.open("rb") as stream:
        return _described(stream.read(MOST_HEADER), format_name)[0].grid


def voxels_beside(path: Path) -> Path | None:
    """The file of voxels that a header of text (.mhd, .nhdr) names.

    Returns:
        None where they follow the header in its own file, or it cannot be read or names none that is there.
    """
    try:
        with path.open("rb") as stream:
            name = _described(stream.read(MOST_HEADER), FORMATS[split_suffix(path)[1]])[0].data_file
        return _beside(path, name) if name else None
    except (Flawed, OSError):
        return None


def _described(start: bytes, format_name: str) -> tuple[Described, int]:
    """What the header says, and where it ends."""
    if not start:
        raise unreadable("an empty file")
    return meta_image(start) if format_name == "MetaImage" else nrrd(start)


def _beside(path: Path, name: str) -> Path:
    """The file of voxels that a header names.

    Raises:
        Flawed: it is not there, or not in the header's folder.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise Flawed(f"voxels in {name}, outside the header's folder", "a file in the folder of its header")
    data = path.parent / name
    if not data.is_file():
        raise Flawed(f"its voxels' file {name} is not there", "both files, in one folder")
    return data
