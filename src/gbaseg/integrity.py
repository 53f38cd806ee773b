"""Is an image file whole? What ITK mends silently while it reads, found and named."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from gbaseg.volume import Volume, read


class Flaw(NamedTuple):
    """One thing that is wrong with a file, and what would be right."""

    found: str
    allowed: str


def read_checked(path: str | Path) -> tuple[Volume | None, list[Flaw]]:
    """The volume, `None` if the file gives none, and what is wrong with the file as such."""
    path = Path(path)
    allowed = "a whole, readable 3D image with one channel"
    if path.is_dir():  # a DICOM series, mostly
        return None, [Flaw("a folder", "one file a scan, such as NIfTI (.nii.gz); a DICOM series is converted first")]
    if not path.is_file():
        return None, [Flaw("no such file", allowed)]
    try:
        stored = _stored_values(path)
        volume = read(path)
    except ValueError as error:  # its text starts with the path, which a report names already
        return None, [Flaw(str(error).removeprefix(f"{path}: "), allowed)]
    except (OSError, EOFError, zlib.error, RuntimeError) as error:  # ITK: several lines, the last one says why
        return None, [Flaw(f"cannot be read ({str(error).strip().splitlines()[-1].strip()})", allowed)]
    bad = int(np.count_nonzero(~np.isfinite(volume.array if stored is None else stored)))
    return volume, [Flaw(f"{bad} voxels are NaN or infinite", "finite numbers")] if bad else []


def _stored_values(path: Path) -> np.ndarray | None:
    """The numbers of a NIfTI file as they are stored; `None` for other formats and what nibabel cannot make out.

    ITK mends silently: slices missing from a file that was cut off read as 0, so do NaN and infinity, and no
    checksum is checked. Downloads that broke off are the commonest fault there is.

    Raises:
        OSError, EOFError, zlib.error: the file is damaged or cut off.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        return None
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            while stream.read(1 << 20):  # to the very end, where the checksum is
                pass
    try:
        return np.asanyarray(nibabel.load(path).dataobj)  # type: ignore[attr-defined]
    except (ImageFileError, HeaderDataError):
        return None
