"""NIfTI files, read as they stand: ITK mends headers silently, and takes A.nii where A.nii.gz beside it was named."""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from gbaseg.volume.flaws import Flawed, unreadable
from gbaseg.volume.forms import LPS_OF_RAS, Placed, placed, shear
from gbaseg.volume.grid import Grid, NiftiForms, Volume
from gbaseg.volume.packed import unpacked, unpacked_start

_HEADERS = {348: (nibabel.Nifti1Header, b"n+1"), 540: (nibabel.Nifti2Header, b"n+2")}  # by size, with magic
# Cosine between two axes up to which ITK takes them, whatever the other axes are (of 6e-5 it refuses some).
_ITK_SHEAR = 5e-5
_KINDS = {"c": "complex numbers", "V": "colours (RGB)"}


def read_nifti(path: Path, packed: bool) -> Volume:
    """Voxels (Z, Y, X), scaled as the header says, and their place. Integers that are not scaled stay what they are.

    Raises:
        Flawed: the file is damaged, no 3D image of real numbers, or its header contradicts itself.
    """
    content = path.read_bytes()
    header = _header(unpacked_start(content, 540) if packed else content[:540])
    shape, dtype = _shape(header), _dtype(header)
    start, count = _first_byte(header), math.prod(shape)
    size = count * dtype.itemsize
    slope, inter = _scaling(header)
    place = placed(header, shape)
    if packed:
        content = unpacked(content, start + size)
    found = len(content) - start
    if found < size:
        raise unreadable(f"cut off: {max(found, 0)} of {size} bytes of voxels are there")
    if any(content[start + size :]):  # zeros are a tape's or a block's padding
        raise Flawed(f"{found - size} bytes follow the {size} bytes of voxels that the header tells of", "none")
    array = np.frombuffer(content, dtype, count, start).reshape(shape[::-1])
    return Volume(_scaled(array, slope, inter), place.grid, place.notes, place.placed)


def read_nifti_grid(path: Path, packed: bool) -> Placed:
    """The grid from the header alone.

    Raises:
        Flawed: as `read_nifti`, as far as the header shows it.
    """
    with path.open("rb") as stream:
        content = stream.read(1 << 16)
    header = _header(unpacked_start(content, 540) if packed else content[:540])
    return placed(header, _shape(header))


def write_nifti(volume: Volume, path: Path, packed: bool) -> None:
    """Voxels and their place, and nothing else: no field of words of the file that the grid came from."""
    header = nibabel.Nifti1Header(endianness="<")
    array = np.ascontiguousarray(volume.array)
    header.set_data_dtype(array.dtype)
    header.set_data_shape(volume.grid.shape[::-1])
    header["regular"] = b"r"
    header["vox_offset"], header["scl_slope"], header["scl_inter"] = 352, 1, 0
    _set_place(header, volume.grid)
    content = header.binaryblock + bytes(4) + array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    if packed:
        # Level 1: three times faster than the default, a few per cent larger. No name and no time in it.
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        content = packer.compress(content) + packer.flush()
    path.write_bytes(content)


def as_stored(grid: Grid) -> Grid:
    """A grid as it comes back from a NIfTI file: in single precision."""
    header, shape = nibabel.Nifti1Header(endianness="<"), grid.shape[::-1]
    header.set_data_shape(shape)
    _set_place(header, grid)
    return placed(header, shape).grid


def _set_place(header: Any, grid: Grid) -> None:
    forms = grid.forms
    if forms is not None:
        header["pixdim"][:4] = forms.qfac, *forms.pixdim
        header["xyzt_units"] = forms.unit
        header["sform_code"], header["qform_code"] = forms.sform_code, forms.qform_code
        header["srow_x"], header["srow_y"], header["srow_z"] = np.reshape(forms.srow, (3, 4))
        header["quatern_b"], header["quatern_c"], header["quatern_d"] = forms.quaternion_bcd
        header["qoffset_x"], header["qoffset_y"], header["qoffset_z"] = forms.qoffset
        if _itk_reads(forms) and placed(header, grid.shape[::-1]).grid.agrees_with(grid):
            return
    # A grid of our own, or one that was altered after it was read: one place, said in both forms, as ITK does.
    header.set_xyzt_units("mm", "sec")
    affine = np.eye(4)
    axes = LPS_OF_RAS @ np.reshape(grid.direction, (3, 3))
    affine[:3, :3], affine[:3, 3] = axes * grid.spacing_zyx_mm[::-1], LPS_OF_RAS @ grid.origin_xyz_mm + 0.0
    header.set_qform(affine, 1)
    header.set_sform(affine, 1)
    header["pixdim"][1:4] = grid.spacing_zyx_mm[::-1]


def _itk_reads(forms: NiftiForms) -> bool:
    """Whether ITK, and with it most viewers, takes the axes: without a qform it refuses a little shear."""
    return bool(forms.qform_code) or not forms.sform_code or shear(np.reshape(forms.srow, (3, 4))) < _ITK_SHEAR


def _header(start: bytes) -> Any:
    """nibabel's header of the file's first bytes, unmended."""
    if not start:
        raise unreadable("an empty file")
    for size, (kind, magic) in _HEADERS.items():
        if len(start) < size:
            continue
        for order in "<>":
            header = kind(start[:size], endianness=order, check=False)
            if int(header["sizeof_hdr"]) == size:
                found = bytes(header["magic"])[:3]
                if found == magic:
                    return header
                if found in (b"ni1", b"ni2"):
                    raise Flawed(
                        "a NIfTI header whose voxels lie in another file (.hdr and .img)", "a file that has both"
                    )
                raise Flawed(f"a header without NIfTI's magic ({found!r})", "a NIfTI file")
    raise unreadable("no NIfTI header")


def _shape(header: Any) -> tuple[int, int, int]:
    dim = [int(size) for size in header["dim"]]
    axes = dim[0]
    sizes = dim[1 : axes + 1] if 1 <= axes <= 7 else []
    if not sizes or min(sizes) < 1:
        raise Flawed(f"dim {dim}: no size of an image", "a 3D image with one channel")
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) != 3:
        shown = " x ".join(str(size) for size in sizes)
        raise Flawed(f"found {len(sizes)}D ({shown})", "a 3D image with one channel")
    x, y, z = sizes
    return x, y, z


def _dtype(header: Any) -> np.dtype:
    code = int(header["datatype"])
    try:
        dtype = header.get_data_dtype()
    except (KeyError, nibabel.spatialimages.HeaderDataError) as error:
        raise Flawed(f"datatype {code}, which is none", "whole or real numbers, one a voxel") from error
    if dtype.kind not in "iuf":
        raise Flawed(f"{_KINDS.get(dtype.kind, str(dtype))} (datatype {code})", "whole or real numbers, one a voxel")
    if int(header["bitpix"]) not in (0, dtype.itemsize * 8):
        found = f"datatype {code} ({dtype}) with {int(header['bitpix'])} bits a voxel (bitpix)"
        raise Flawed(found, f"{dtype.itemsize * 8} bits for {dtype}")
    return dtype


def _first_byte(header: Any) -> int:
    offset = float(header["vox_offset"])
    if not (math.isfinite(offset) and offset >= header.sizeof_hdr and offset == int(offset)):
        raise Flawed(
            f"voxels that begin at byte {offset:g} (vox_offset)", f"a byte after the header's {header.sizeof_hdr}"
        )
    return int(offset)


def _scaling(header: Any) -> tuple[float, float]:
    """Slope and intercept; 1 and 0 where there is no scaling, which a slope of 0 or NaN says, too."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0.0 or math.isnan(slope):
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise Flawed(f"scl_slope {slope:g} with scl_inter {inter:g}", "finite numbers, or slope 0 for no scaling")
    return slope, inter


def _scaled(array: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """In the machine's byte order and writable; single precision where the header scales or has more."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if (slope, inter) == (1.0, 0.0):
        return array.astype(array.dtype.newbyteorder("="))
    # Single precision holds every 16-bit number; others are scaled in double precision first.
    scaled = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    np.multiply(scaled, slope, out=scaled)
    np.add(scaled, inter, out=scaled)
    with np.errstate(over="ignore"):  # what becomes infinite is found as such
        return scaled.astype(np.float32, copy=False)
