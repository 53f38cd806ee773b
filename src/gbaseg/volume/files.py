"""Image files, read and written: whole, as they stand, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from gbaseg.errors import UserError
from gbaseg.volume.flaws import WHOLE, BadImage, Flaw, Flawed, unreadable
from gbaseg.volume.formats import ALLOWED, FORMATS, split_suffix, unknown_format
from gbaseg.volume.grid import Grid, Volume
from gbaseg.volume.nifti import read_nifti, read_nifti_grid, write_nifti
from gbaseg.volume.resampling import to_sitk
from gbaseg.volume.texts import read_text_format, read_text_grid

_ITK_WRITERS = {"MetaImage": "MetaImageIO", "NRRD": "NrrdImageIO"}
# What scaling to single precision leaves of whole numbers, 255 x 0.00392 included.
LABEL_ROUNDING = 1e-3
# NIfTI has no truth values; half precision is no format's.
_STORED_AS = {np.dtype(bool): np.uint8, np.dtype(np.float16): np.float32}


def read(path: str | Path, dtype: np.typing.DTypeLike | None = None) -> Volume:
    """Read a 3D image; the suffix says the format (`FORMATS`), and the file is read to its end, checksums included.

    Args:
        path: the file; one of another format with the same name is never taken in its place.
        dtype: of the voxels; default: as stored, single precision where a NIfTI header scales them.

    Raises:
        BadImage: no such file, another format, damaged, not a 3D image of finite real numbers, or a header that
            contradicts itself. Names the file, what was found and what is allowed.
    """
    path = Path(path)
    with _named(path):
        suffix = _suffix(path)
        if FORMATS[suffix] == "NIfTI":
            volume = read_nifti(path, packed=suffix.endswith(".gz"))
        else:
            volume = read_text_format(path, FORMATS[suffix])
        _check_finite(volume.array)
    if dtype is not None and volume.array.dtype != dtype:
        volume = volume.with_array(volume.array.astype(dtype))
    return volume


def read_label(path: str | Path) -> Volume:
    """Read a label or mask: whole numbers, as integers; reals within `LABEL_ROUNDING` of them are taken for them.

    Raises:
        BadImage: as `read`, and for other numbers.
    """
    volume = read(path)
    with _named(Path(path)):
        return _whole_numbers(volume)


def read_grid(path: str | Path) -> Grid:
    """The grid of an image, from its header alone.

    Raises:
        BadImage: as `read`, as far as the header shows it.
    """
    path = Path(path)
    with _named(path):
        suffix = _suffix(path)
        if FORMATS[suffix] == "NIfTI":
            return read_nifti_grid(path, packed=suffix.endswith(".gz")).grid
        return read_text_grid(path, FORMATS[suffix])


def write(volume: Volume, path: str | Path) -> None:
    """Write a volume; the suffix says the format (`WRITTEN`). The folder is made where it is missing.

    A NIfTI file repeats both forms of the file that the grid was read from, and no words of it.

    Raises:
        UserError: another suffix.
        BadImage: voxels that are NaN, infinite or no real numbers.
    """
    path = Path(path)
    suffix = split_suffix(path, writing=True)[1]
    with _named(path):
        array = volume.array.astype(_STORED_AS.get(volume.array.dtype, volume.array.dtype), copy=False)
        if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
            raise Flawed(f"voxels of type {array.dtype}", "whole or real numbers of at most 64 bits")
        _check_finite(array)
        volume = volume.with_array(array)
    path.parent.mkdir(parents=True, exist_ok=True)
    if FORMATS[suffix] == "NIfTI":
        write_nifti(volume, path, packed=suffix.endswith(".gz"))
    else:
        sitk.WriteImage(
            to_sitk(volume), str(path), useCompression=True, compressionLevel=1, imageIO=_ITK_WRITERS[FORMATS[suffix]]
        )


def nifti_bytes(volume: Volume) -> bytes:
    """A NIfTI file that is not packed, for a page; errors as of `write`."""
    with TemporaryDirectory(prefix="gbaseg-") as folder:
        path = Path(folder) / "volume.nii"
        write(volume, path)
        return path.read_bytes()


def _suffix(path: Path) -> str:
    """The format's suffix of a file that is there.

    Raises:
        Flawed: it is not there, a folder, or of another format.
    """
    if path.is_dir():  # a DICOM series, mostly
        raise Flawed("a folder", "one file a scan, such as NIfTI (.nii.gz); a DICOM series is converted first")
    try:
        suffix = split_suffix(path)[1]
    except UserError as error:
        raise Flawed(unknown_format(path.name), ALLOWED) from error
    if not path.is_file():
        raise Flawed("no such file" if not path.exists() else "no regular file", WHOLE)
    return suffix


def _whole_numbers(label: Volume) -> Volume:
    array = label.array
    if array.dtype.kind != "f":
        return label
    rounded = np.rint(array)
    off = np.abs(array - rounded)
    if (off > LABEL_ROUNDING).any() or np.abs(rounded).max() >= 1 << 31:
        values = np.unique(array[(off > LABEL_ROUNDING) | (np.abs(rounded) >= 1 << 31)])
        shown = ", ".join(str(value) for value in values[:5]) + (" ..." if values.size > 5 else "")
        found = f"{array.dtype} values that are no whole numbers: {shown} (a probability map?)"
        raise Flawed(found, f"a mask of whole numbers, or of reals within {LABEL_ROUNDING:g} of them")
    notes = label.notes
    if off.any():
        at = np.unravel_index(int(off.argmax()), off.shape)
        notes += (f"values such as {array[at]} are taken for whole numbers (within {LABEL_ROUNDING:g})",)
    return replace(label, array=rounded.astype(np.int32), notes=notes)


def _check_finite(array: np.ndarray) -> None:
    if array.dtype.kind == "f" and (bad := array.size - int(np.count_nonzero(np.isfinite(array)))):
        raise Flawed(f"{bad} voxels are NaN or infinite", "finite numbers")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Flaws that are found within, with the file's name."""
    try:
        yield
    except Flawed as error:
        raise BadImage(path, [error.flaw]) from error
    except OSError as error:
        raise BadImage(path, [unreadable(str(error.strerror or error)).flaw]) from error
    except MemoryError as error:
        raise BadImage(path, [Flaw("larger than this machine's memory", "an image that fits")]) from error
