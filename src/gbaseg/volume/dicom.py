"""A DICOM series in a folder, read as one scan by ITK's GDCM. Slices that are missing are a fault, never filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from gbaseg.errors import some_of
from gbaseg.volume.flaws import WHOLE, BadImage, Flaw, Flawed, unreadable
from gbaseg.volume.forms import check_spacing
from gbaseg.volume.frames import read_places
from gbaseg.volume.grid import Grid, Volume, numbers_as_text
from gbaseg.volume.nifti import as_stored

# What stands behind the first 128 bytes of a DICOM file.
_MAGIC, _PREAMBLE = b"DICM", 128
# Distances between slices may differ by this share of their mean: headers are rounded to some digits.
_UNEVEN = 0.01
# How far slices may be off the straight line along their normal, as a share of their distance (a tilted gantry).
_OFF_LINE = 0.01
# Cosine between rows and columns, and how far their own are from length 1: headers are rounded to some digits.
_OFF_SQUARE = 2e-3
# What says where a slice lies, with how many numbers: ITK takes 1 mm and the patient's axes where it is missing.
_PLACE = {"ImagePositionPatient": ("0020|0032", 3), "ImageOrientationPatient": ("0020|0037", 6),
          "PixelSpacing": ("0028|0030", 2)}  # fmt: skip
_FRAMES = "0028|0008"
# The element of a file's first lines that says what kind of object it is (SOP class), and the bytes that it is within.
_KIND, _HEAD = re.compile(rb"\x02\x00\x02\x00UI(..)", re.DOTALL), 1024


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
    return any(is_dicom(file) for file in sorted(folder.iterdir()) if file.is_file() and file.name != "DICOMDIR")


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


def is_dicom(file: Path) -> bool:
    """Whether a file is one of DICOM, as its first bytes say, whatever its name."""
    try:
        with file.open("rb") as stream:
            return stream.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC
    except OSError:
        return False


def _unread(folder: Path, files: Sequence[str]) -> list[str]:
    """Names of slices in a folder that GDCM passes over without a word: cut off, or empty.

    Of what is DICOM by its first bytes, those of the slices' kind, or of none that is left (a report is another kind);
    of all else, what is called as the slices are. Hidden files are nobody's slices, as GDCM has it.
    """
    slices = [Path(file) for file in files]
    passed_over = {file.name for file in slices} | {"DICOMDIR"}
    others = [
        file
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name not in passed_over and not file.name.startswith(".")
    ]
    if not others:
        return []  # of most folders: their slices are not opened for this
    kinds = {b"", *map(_kind_of, slices)}
    called = {name for file in slices for name in _called(file)}
    return [file.name for file in others if (_kind_of(file) in kinds if is_dicom(file) else called & {*_called(file)})]


def _called(file: Path) -> Iterator[str]:
    """What names of slices share: all but their numbers, and an end in letters (`IM#`, `.dcm`)."""
    yield re.sub(r"\d+", "#", file.name.lower())
    if re.fullmatch(r"\.[a-z]+", end := file.suffix.lower()):
        yield end


def _kind_of(file: Path) -> bytes:
    """What kind of object a file of DICOM is; empty where it breaks off before that."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    if (element := _KIND.search(head, _PREAMBLE)) is None:
        return b""
    size = int.from_bytes(element[1], "little")
    kind = head[element.end() : element.end() + size]
    return kind.rstrip(b"\0 ") if len(kind) == size else b""


def _slices(folder: Path) -> list[_Slice]:
    """Headers of the one series, in the order of their normal."""
    if lost := [file.name for file in sorted(folder.iterdir()) if not file.exists()]:
        raise Flawed(f"links to nothing: {some_of(lost)}", "links to files that are there")  # GDCM reads nothing then
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise Flawed(f"{len(series)} DICOM series", "the slices of one series in a folder")
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    if unread := _unread(folder, files):
        found = f"{len(unread)} file(s) beside {len(files)} slice(s) that cannot be read: {some_of(unread)}"
        raise Flawed(found, "slices that are whole (copy them again), and no other files that are named as they are")
    slices = [_header_of(file) for file in files]
    normal = np.reshape(slices[0].direction, (3, 3))[:, 2]
    return sorted(slices, key=lambda one: float(normal @ one.origin))


def _read(folder: Path) -> Volume:
    slices = _slices(folder)
    first = slices[0]
    if len(slices) == 1:
        array = sitk.GetArrayFromImage(sitk.ReadImage(first.file))
        if len(array) > 1:
            return _stack(array, first)
        return Volume(array, _grid(first, first.size, first.spacing))  # a single slice, which is found later
    if any(one.size[2] > 1 for one in slices):
        raise Flawed(f"{len(slices)} files, some of several frames", "one such file, or a file a slice")
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


def _stack(array: np.ndarray, first: _Slice) -> Volume:
    """The frames of one file, as they are stored, put in the order of their normal."""
    positions = read_places(first.file).positions
    normal = np.reshape(first.direction, (3, 3))[:, 2]
    order = np.argsort(positions @ normal, kind="stable")
    distance = _distance(positions[order], normal)
    lowest = first._replace(origin=tuple(positions[order[0]].tolist()))
    return Volume(array[order], _grid(lowest, first.size, (*first.spacing[:2], distance)))


def _header_of(file: str) -> _Slice:
    reader = sitk.ImageFileReader()
    reader.SetFileName(file)
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise Flawed(f"colours in {Path(file).name}", WHOLE)
    if reader.GetDimension() != 3:
        raise Flawed(f"{reader.GetDimension()}D in {Path(file).name}", WHOLE)
    if reader.GetSize()[2] > 1 or (
        reader.HasMetaDataKey(_FRAMES) and not reader.HasMetaDataKey(_PLACE["PixelSpacing"][0])
    ):
        return _of_frames(file, reader)
    _, orientation, sides = (_numbers(file, reader, name) for name in _PLACE)
    _check_axes(file, orientation, sides)
    place = reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection()
    return _Slice(file, *place, reader.GetPixelID())


def _of_frames(file: str, reader: sitk.ImageFileReader) -> _Slice:
    """What the header of a file of frames says of them and of the first one's place."""
    frames = read_places(file)
    _check_axes(file, frames.orientation, frames.spacing)
    row, column = (axis / np.linalg.norm(axis) for axis in (frames.orientation[:3], frames.orientation[3:]))
    axes = np.column_stack([row, column, np.cross(row, column)])
    spacing_xyz = (*frames.spacing[::-1].tolist(), reader.GetSpacing()[2])
    place = spacing_xyz, tuple(frames.positions[0].tolist()), tuple(axes.ravel().tolist())
    return _Slice(file, reader.GetSize(), *place, reader.GetPixelID())


def _numbers(file: str, reader: sitk.ImageFileReader, name: str) -> np.ndarray:
    tag, size = _PLACE[name]
    text = reader.GetMetaData(tag).strip() if reader.HasMetaDataKey(tag) else ""
    try:
        numbers = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        numbers = np.array([])
    if len(numbers) != size or not np.isfinite(numbers).all():
        raise Flawed(f"{name} {text or 'missing'} in {Path(file).name}", f"{size} numbers, which ITK would guess")
    return numbers


def _check_axes(file: str, orientation: np.ndarray, sides: np.ndarray) -> None:
    """Raise `Flawed` where rows and columns are no axes or have no size."""
    row, column = orientation[:3], orientation[3:]
    if max(abs(row @ column), abs(row @ row - 1), abs(column @ column - 1)) > _OFF_SQUARE:
        found = f"ImageOrientationPatient {numbers_as_text(orientation)} in {Path(file).name}"
        raise Flawed(found, "the cosines of two axes at right angles")
    if not (sides > 0).all():
        raise Flawed(f"PixelSpacing {numbers_as_text(sides)} in {Path(file).name}", "two numbers above 0, mm")


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
