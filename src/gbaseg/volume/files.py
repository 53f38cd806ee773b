"""Image files, read and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from gbaseg.volume.formats import split_suffix
from gbaseg.volume.grid import Grid, Volume
from gbaseg.volume.resampling import to_sitk


def _grid_of(image: sitk.Image) -> Grid:
    shape = image.GetSize()[::-1]
    return Grid(shape, image.GetSpacing()[::-1], image.GetOrigin(), image.GetDirection())


def read(path: str | Path, dtype: np.typing.DTypeLike | None = None) -> Volume:
    """Read a 3D image in any format that ITK knows.

    Raises:
        RuntimeError: ITK cannot read the file (its own message, naming the file).
        ValueError: the image is not 3D with one channel.
    """
    image = sitk.ReadImage(str(path))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError(
            f"{path}: expected a 3D image with one channel, found {image.GetDimension()}D with "
            f"{image.GetNumberOfComponentsPerPixel()} channel(s)"
        )
    array = sitk.GetArrayFromImage(image)
    return Volume(array if dtype is None else array.astype(dtype), _grid_of(image))


def read_grid(path: str | Path) -> Grid:
    """The grid of a 3D image, from its header alone.

    Raises:
        RuntimeError: ITK cannot read the file (its own message, naming the file).
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return Grid(reader.GetSize()[::-1], reader.GetSpacing()[::-1], reader.GetOrigin(), reader.GetDirection())


def write(volume: Volume, path: str | Path) -> None:
    """Write a volume; the suffix says the format (.nii.gz). The folder is made where it is missing."""
    split_suffix(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Level 1: three times faster than the default, a few per cent larger.
    sitk.WriteImage(to_sitk(volume), str(path), useCompression=True, compressionLevel=1)
