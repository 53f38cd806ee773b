"""A scan as it comes: a file, the folder of a DICOM series, an image of SimpleITK's, an array; and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.raw import checks
from gbaseg.standardise.case import StandardCase, standardise_finely, standardise_image
from gbaseg.volume import FORMATS, BadImage, Flaw, Grid, Volume
from gbaseg.volume.dicom import is_dicom, is_series, read_series

if TYPE_CHECKING:
    import SimpleITK as sitk

Triple = tuple[float, float, float]
# What a scan without a file is called in messages.
_UNNAMED = "the scan"
FOLDER = Flaw(
    "a folder",
    "one file a scan, such as NIfTI (.nii.gz); a folder of such files, or one with the slices of a DICOM series",
)


@dataclass(frozen=True)
class Standardised:
    """A scan, and what of it the networks see.

    Args:
        scan: on its own grid.
        image: on the grid of the networks, intensities in [0, 1].
        record: how the one became the other.
    """

    scan: Volume
    image: Volume
    record: StandardCase


def read_scan(path: Path, settings: Params) -> tuple[Volume | None, list[Flaw]]:
    """The scan in a file or in the folder of a DICOM series, `None` where there is none, and what is wrong with it.

    Voxels far from all others are found when it is standardised.
    """
    if not path.is_dir():
        if flaw := _no_scan(path):
            return None, [flaw]
        return checks.read_image(path, settings.dataset, wild=False)
    if not is_series(path):
        return None, [FOLDER]
    try:
        scan = read_series(path)
    except BadImage as error:
        return None, error.flaws
    return scan, list(checks.image_flaws(scan, settings.dataset, wild=False))


def _no_scan(path: Path) -> Flaw | None:
    """What a path is that is called as no format is: nothing, or a file of DICOM, whose folder is the scan."""
    if path.name.lower().endswith(tuple(FORMATS)):
        return None
    if not path.exists():
        return Flaw("no such file or folder", FOLDER.allowed)
    if path.is_file() and is_dicom(path):
        return Flaw("a file of DICOM", f"the folder with all slices of its series and no other, such as {path.parent}")
    return None


def accepted(
    scan: str | Path | Volume | sitk.Image | np.ndarray, settings: Params, spacing_zyx_mm: Triple | None = None
) -> Volume:
    """A scan of any kind as a volume.

    Args:
        scan: file, folder of a DICOM series, or an image that is there already; an array is (Z, Y, X), Z towards the
            head, Y towards the back, X towards the patient's left.
        spacing_zyx_mm: voxel size of an array, and of nothing else.

    Raises:
        UserError: every flaw of it.
    """
    if isinstance(scan, np.ndarray):
        if spacing_zyx_mm is None:
            raise UserError("an array without spacing_zyx_mm; allowed: its voxel size along (Z, Y, X), mm")
        volume, where = _of_array(scan, spacing_zyx_mm), _UNNAMED
    elif spacing_zyx_mm is not None:
        raise UserError("spacing_zyx_mm beside a scan that has its own; allowed: with an array alone")
    elif isinstance(scan, str | Path):
        found, flaws = read_scan(Path(scan), settings)
        if found is None or flaws:
            raise BadImage(scan, flaws)
        return found
    else:
        volume, where = scan if isinstance(scan, Volume) else _of_sitk(scan), _UNNAMED
    _check_numbers(volume.array, where)
    if flaws := list(checks.image_flaws(volume, settings.dataset, wild=False)):
        raise BadImage(where, flaws)
    return volume


def standardised(scan: Volume, settings: Params, fine: bool) -> Standardised:
    """A scan as the networks see it.

    Args:
        fine: on the finer grid.

    Raises:
        UserError: it has no contrast, or many voxels far from all others.
    """
    grid = settings.standardise
    image, record = standardise_image(scan, grid)
    if fine and grid.fine_spacing_xyz_mm is not None:  # checked with the model
        image, record = standardise_finely(scan, record, grid.fine_spacing_xyz_mm, grid.smooth_shrinking)
    return Standardised(scan, image, record)


def _of_array(array: np.ndarray, spacing_zyx_mm: Triple) -> Volume:
    if array.ndim != 3:
        raise UserError(f"an array of {array.ndim} axes; allowed: 3, (Z, Y, X)")
    z, y, x = (float(side) for side in spacing_zyx_mm)
    if not all(np.isfinite(side) and side > 0 for side in (z, y, x)):
        raise UserError(f"spacing_zyx_mm {spacing_zyx_mm}; allowed: three numbers above 0, mm")
    return Volume(array, Grid((array.shape[0], array.shape[1], array.shape[2]), (z, y, x)))


def _of_sitk(image: sitk.Image) -> Volume:
    import SimpleITK as sitk

    if not isinstance(image, sitk.Image):
        raise UserError(
            f"a scan of type {type(image).__name__}; allowed: a path, an image of SimpleITK's, an array with "
            "spacing_zyx_mm, or a gbaseg.volume.Volume"
        )
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UserError(
            f"an image of {image.GetDimension()} axes and {image.GetNumberOfComponentsPerPixel()} channel(s); "
            "allowed: 3 axes, one channel"
        )
    (x, y, z), (dx, dy, dz), origin = image.GetSize(), image.GetSpacing(), image.GetOrigin()
    grid = Grid((z, y, x), (dz, dy, dx), (origin[0], origin[1], origin[2]), tuple(image.GetDirection()))
    return Volume(sitk.GetArrayFromImage(image), grid)


def _check_numbers(array: np.ndarray, where: str) -> None:
    if array.dtype.kind not in "iuf":
        raise BadImage(where, [Flaw(f"voxels of type {array.dtype}", "whole or real numbers")])
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadImage(where, [Flaw("voxels that are NaN or infinite", "finite numbers")])
