"""A DICOM series in a folder, read as one scan by ITK's GDCM. Slices that are missing are a fault, never filled in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from gbaseg.volume.flaws import WHOLE, BadImage, Flaw, Flawed, unreadable
from gbaseg.volume.forms import check_spacing
from gbaseg.volume.grid import Grid, Volume, numbers_as_text
from gbaseg.volume.nifti import as_stored

# What stands behind the first 128 bytes of a DICOM file.
_MAGIC, _PREAMBLE = b"DICM", 128
# Distances between slices may differ by this share of their mean: headers are rounded to some digits.
_UNEVEN = 0.01
# How far slices may be off the straight line along their normal, as a share of their distance (a tilted gantry).
_OFF_LINE = 0.01


class _Slice(NamedTuple):
    """What the header of one file says, ITK's order."""

    file: str
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    pixel: int


def is_series(folder: Path) -> bool:
    """Whether a folder holds files of DICOM, as their first bytes say; an index of other folders is none."""
    if not folder.is_dir():
        return False
    return any(_is_dicom(file) for file in sorted(folder.iterdir()) if file.is_file() and file.name != "DICOMDIR")


def read_series(folder: Path) -> Volume:
    """The one series in a folder: voxels (Z, Y, X) as its rescaling says, slices in the order of their normal.

    Raises:
        BadImage: no series or more than one; slices of other sizes or directions, missing, doubled or not behind each
            other; colours; damaged files.
    """
    with _named(folder):
        return _read(folder)


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Flaws that are found within, with the folder's name."""
    try:
        yield
    except Flawed as error:
        raise BadImage(folder, [error.flaw]) from error
    except RuntimeError as error:  # ITK's
        reason = str(error).strip().rpartition("\n")[2]
        raise BadImage(folder, [unreadable(reason).flaw]) from error
    except MemoryError as error:
        raise BadImage(folder, [Flaw("larger than this machine's memory", "an image that fits")]) from error


def slice_files(folder: Path) -> list[str]:
    """Files of the one series in a folder, in the order of `read_series`' slices.

    Raises:
        BadImage: as `read_series`, as far as headers show it.
    """
    with _named(folder):
        return [one.file for one in _slices(folder)]


def _is_dicom(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC
    except OSError:
        return False


def _slices(folder: Path) -> list[_Slice]:
    """Headers of the one series, in the order of their normal."""
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise Flawed(f"{len(series)} DICOM series", "the slices of one series in a folder")
    slices = [_header_of(file) for file in sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])]
    normal = np.reshape(slices[0].direction, (3, 3))[:, 2]
    return sorted(slices, key=lambda one: float(normal @ one.origin))


def _read(folder: Path) -> Volume:
    slices = _slices(folder)
    if len(slices) == 1:
        image = sitk.ReadImage(slices[0].file)  # all of it in one file, or a single slice, which is found later
        return Volume(sitk.GetArrayFromImage(image), _grid(slices[0], image.GetSize(), image.GetSpacing()))
    first = slices[0]
    for name, found in (
        ("sizes", {one.size for one in slices}),
        ("voxel sizes", {tuple(np.round(one.spacing[:2], 4)) for one in slices}),
        ("directions", {tuple(np.round(one.direction, 4)) for one in slices}),
    ):
        if len(found) > 1:
            raise Flawed(f"{len(slices)} slices of {len(found)} {name}", "slices that are alike: one series, no scout")
    normal = np.reshape(first.direction, (3, 3))[:, 2]
    distance = _distance(np.array([one.origin for one in slices]), normal)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([one.file for one in slices])
    if len({one.pixel for one in slices}) > 1:
        reader.SetOutputPixelType(sitk.sitkFloat32)  # rescaled otherwise from slice to slice: some are whole numbers
    array = sitk.GetArrayFromImage(reader.Execute())
    size = (*first.size[:2], len(slices))
    return Volume(array, _grid(slices[0], size, (*first.spacing[:2], distance)))


def _header_of(file: str) -> _Slice:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise Flawed(f"colours in {Path(file).name}", WHOLE)
    if reader.GetDimension() != 3:
        raise Flawed(f"{reader.GetDimension()}D in {Path(file).name}", WHOLE)
    place = reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection()
    return _Slice(file, *place, reader.GetPixelID())


def _distance(places: np.ndarray, normal: np.ndarray) -> float:
    """Between slices, mm, from their first voxels (slice, xyz) in order.

    Raises:
        Flawed: it is not the same between all of them, or they do not lie behind each other.
    """
    steps = np.diff(places, axis=0)
    along = steps @ normal
    distance = float((places[-1] - places[0]) @ normal) / len(steps)  # as ITK has it; headers are rounded
    if along.min() <= 1e-3:
        raise Flawed("two slices at one place (a scan over time, or a file twice)", "each slice once")
    if np.ptp(along) > _UNEVEN * distance:
        said = f"slices {numbers_as_text([along.min()])} to {numbers_as_text([along.max()])} mm apart"
        raise Flawed(f"{said}: some are missing, or not evenly spaced", "all slices of an evenly spaced series")
    if np.linalg.norm(steps - along[:, None] * normal, axis=1).max() > _OFF_LINE * distance:
        raise Flawed("slices that do not lie straight behind each other (a tilted gantry)", "a series without shear")
    return distance


def _grid(first: _Slice, size_xyz: tuple[int, ...], spacing_xyz: tuple[float, ...]) -> Grid:
    check_spacing(np.array(spacing_xyz))
    x, y, z = size_xyz
    grid = Grid(
        (z, y, x),
        (float(spacing_xyz[2]), float(spacing_xyz[1]), float(spacing_xyz[0])),
        (float(first.origin[0]), float(first.origin[1]), float(first.origin[2])),
        tuple(float(cosine) for cosine in first.direction),
    )
    return as_stored(grid)  # so that its twin is the same scan, and not one that differs in the eighth digit
