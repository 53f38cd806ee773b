"""Where a NIfTI file says that its voxels lie: two statements (sform, qform), voxel sizes, units; and which one counts.

Computed with is the sform where it has a code, else the qform, as nibabel and FSL do; ITK often takes the qform. Both
may be true (a scan moved to another by coregistration), so masks carry both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gbaseg.volume.flaws import Flawed
from gbaseg.volume.grid import Grid, NiftiForms, numbers_as_text

_MM_OF_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # not said, metre, millimetre, micrometre
_CODES = range(6)
_TEMPLATE_CODES = (3, 4, 5)  # Talairach, MNI, another template: the brain may have been scaled and sheared
_RELATIVE = 1e-3  # how far pixdim and the lengths of the sform's columns may be apart
_SHEAR = 1e-3  # cosine between two axes
_DEGREES = 45.0  # between sform and qform: more is another patient axis, not a coregistration
_SIZES_MM = (1e-3, 1e3)
LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Placed:
    """A grid, and what of the header was not followed or is not known."""

    grid: Grid
    notes: tuple[str, ...] = ()
    placed: bool = True


def placed(header: Any, shape_xyz: tuple[int, int, int]) -> Placed:
    """The grid of a NIfTI header (nibabel's), read as it stands in the file.

    Raises:
        Flawed: statements that cannot be true, alone or together.
    """
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    for name, code in (("sform_code", sform_code), ("qform_code", qform_code)):
        if code not in _CODES:
            raise Flawed(f"{name} {code}", f"{name} 0 to {_CODES[-1]}, as NIfTI has them")
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MM_OF_UNIT:
        raise Flawed(f"xyzt_units {int(header['xyzt_units'])}: no unit of length", "metre, mm or micrometre")
    pixdim = np.array(header["pixdim"][1:4], float)
    qfac = float(header["pixdim"][0])
    srow = np.array([header["srow_x"], header["srow_y"], header["srow_z"]], float)
    quaternion = np.array([header["quatern_b"], header["quatern_c"], header["quatern_d"]], float)
    offset = np.array([header["qoffset_x"], header["qoffset_y"], header["qoffset_z"]], float)

    notes: list[str] = []
    sizes = _voxel_sizes(pixdim, srow, sform_code, qform_code, notes)
    sform = srow if sform_code else None
    qform = _qform(quaternion, offset, qfac, sizes) if qform_code else None
    if sform is not None:
        sform = _rigid_sform(srow, sform_code, sizes, qform, notes)
    if sform is not None and qform is not None:
        _check_together(sform, qform, sform_code, qform_code, notes)

    forms = NiftiForms(
        sform_code=sform_code,
        qform_code=qform_code,
        srow=tuple(srow.ravel().tolist()) if sform_code else (0.0,) * 12,
        quaternion_bcd=_triple(quaternion if qform_code else np.zeros(3)),
        qoffset=_triple(offset if qform_code else np.zeros(3)),
        qfac=-1.0 if qform_code and qfac < 0 else 1.0,
        pixdim=_triple(sizes),
        unit=unit,
    )
    chosen = sform if sform is not None else qform
    if chosen is None:
        # nibabel's and ITK's x runs to the left where nothing is said; the origin is then of no meaning.
        chosen = np.hstack([np.diag([-sizes[0], -sizes[1], sizes[2]]), np.zeros((3, 1))])
    grid = _grid(chosen, sizes, shape_xyz, _MM_OF_UNIT[unit], forms)
    return Placed(grid, tuple(notes), bool(sform_code or qform_code))


def same_voxels(one: Grid, other: Grid) -> bool:
    """Whether voxel (z, y, x) of one is that of the other: equal grids, or one is what the other's second form says.

    ITK, and with it ITK-SNAP and 3D Slicer, may take the form that is not computed with here, and write it alone.
    """
    return (
        one.agrees_with(other)
        or ((second := _second_form(one)) is not None and second.agrees_with(other))
        or ((second := _second_form(other)) is not None and second.agrees_with(one))
    )


def _second_form(grid: Grid) -> Grid | None:
    """Where the form that is not computed with puts the voxels; None where there is none, or no rigid one."""
    forms = grid.forms
    if forms is None or not (forms.sform_code and forms.qform_code):
        return None
    sizes, shape_xyz = np.array(forms.pixdim), (grid.shape[2], grid.shape[1], grid.shape[0])
    srow = np.array(forms.srow).reshape(3, 4)
    qform = _qform(np.array(forms.quaternion_bcd), np.array(forms.qoffset), forms.qfac, sizes)
    rigid = _rigid_sform(srow, forms.sform_code, sizes, qform, [])
    both = [
        _grid(form, sizes, shape_xyz, _MM_OF_UNIT[forms.unit], forms) for form in (rigid, qform) if form is not None
    ]
    return next((one for one in both if not one.agrees_with(grid)), None)


def _voxel_sizes(
    pixdim: np.ndarray, srow: np.ndarray, sform_code: int, qform_code: int, notes: list[str]
) -> np.ndarray:
    """pixdim; where it is no size, the length of the sform's columns, if that has a code and is rigid."""
    lengths = np.linalg.norm(srow[:, :3], axis=0)
    if sform_code and not (np.isfinite(srow).all() and (lengths > 0).all()):
        raise Flawed(f"sform (code {sform_code}) {_rows(srow)}, which is no place", "three axes of finite numbers")
    good = np.isfinite(pixdim) & (pixdim > 0)
    if good.all():
        return pixdim
    found = f"pixdim {numbers_as_text(pixdim)} (x, y, z)"
    if not sform_code:
        beside = f"a qform (code {qform_code}), which has no sizes of its own" if qform_code else "no form with a code"
        raise Flawed(f"{found} beside {beside}", "voxel sizes above 0")
    if sform_code in _TEMPLATE_CODES and qform_code:
        raise Flawed(f"{found} beside an sform of a template's space (code {sform_code})", "voxel sizes above 0")
    notes.append(f"{found} is no voxel size; taken: the sform's, {numbers_as_text(lengths)}")
    return np.where(good, pixdim, lengths)


def _qform(quaternion: np.ndarray, offset: np.ndarray, qfac: float, sizes: np.ndarray) -> np.ndarray:
    """3 x 4, RAS, the header's unit.

    Raises:
        Flawed: the quaternion is none, or the handedness is not said.
    """
    said = f"qform with quaternion {numbers_as_text(quaternion)} and offset {numbers_as_text(offset)}"
    if not (np.isfinite(quaternion).all() and np.isfinite(offset).all()):
        raise Flawed(said, "finite numbers")
    square = float(quaternion @ quaternion)
    if square > 1.0 + 1e-5:
        raise Flawed(f"{said}, which is no rotation (b2 + c2 + d2 = {square:.6g})", "a quaternion of length 1")
    if qfac not in (-1.0, 0.0, 1.0):
        raise Flawed(f"qfac (pixdim[0]) {qfac:g} beside a qform", "1 or -1, or 0 for 1")
    b, c, d = quaternion / max(math.sqrt(square), 1.0)
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    rotation[:, 2] *= -1.0 if qfac < 0 else 1.0
    return np.hstack([rotation * sizes, offset[:, None]])


def shear(srow: np.ndarray) -> float:
    """Largest cosine between two axes of an sform (3, 4); 0 of right angles."""
    axes = srow[:, :3] / np.linalg.norm(srow[:, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def _rigid_sform(
    srow: np.ndarray, code: int, sizes: np.ndarray, qform: np.ndarray | None, notes: list[str]
) -> np.ndarray | None:
    """The sform, or None where it is a template's space, and the qform says where the patient was.

    Raises:
        Flawed: it is sheared, or its voxels have other sizes than pixdim says.
    """
    lengths = np.linalg.norm(srow[:, :3], axis=0)
    skew = shear(srow)
    found = ""
    if skew > _SHEAR:
        angle = math.degrees(math.asin(min(skew, 1.0)))
        found = f"sform (code {code}) whose axes are {angle:.3g} degrees from right angles"
    elif not np.allclose(lengths, sizes, rtol=_RELATIVE, atol=0.0):
        found = f"sform (code {code}) with voxels of {numbers_as_text(lengths)}"
    if not found:
        return srow
    beside = f"pixdim {numbers_as_text(sizes)}"
    if qform is None or code not in _TEMPLATE_CODES:
        raise Flawed(
            f"{found} beside {beside} (x, y, z)",
            "an sform and a pixdim that say the same, without shear; write the one that is right into the other",
        )
    notes.append(f"{found} is a template's space; computed with: the qform, {beside}")
    return None


def _check_together(sform: np.ndarray, qform: np.ndarray, sform_code: int, qform_code: int, notes: list[str]) -> None:
    both = f"sform (code {sform_code}) {_rows(sform)} and qform (code {qform_code}) {_rows(qform)}"
    mine, theirs = (form[:, :3] / np.linalg.norm(form[:, :3], axis=0) for form in (sform, qform))
    allowed = "two forms of one patient, or one of them with code 0"
    if np.linalg.det(mine) * np.linalg.det(theirs) < 0:
        raise Flawed(f"{both} are each other's mirror image", allowed)
    angle = math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(mine.T @ theirs)) - 1.0) / 2.0))))
    if angle > _DEGREES:
        raise Flawed(f"{both} are {angle:.3g} degrees apart", allowed)
    moved = float(np.linalg.norm(sform[:, 3] - qform[:, 3]))
    if angle > 0.1 or moved > 0.1:
        notes.append(
            f"sform (code {sform_code}) and qform (code {qform_code}) differ, by {angle:.3g} degrees, first voxels "
            f"{moved:.3g} apart; computed with: the sform; masks carry both"
        )


def _grid(form: np.ndarray, sizes: np.ndarray, shape_xyz: tuple[int, int, int], mm: float, forms: NiftiForms) -> Grid:
    # The nearest rotation: single precision leaves axes that are not quite at right angles.
    axes = LPS_OF_RAS @ (form[:, :3] / np.linalg.norm(form[:, :3], axis=0))
    exact = np.count_nonzero(axes) == 3
    if not exact:
        left, _, right = np.linalg.svd(axes)
        axes = left @ right
    axes[np.abs(axes) < 1e-12] = 0.0
    origin = LPS_OF_RAS @ form[:, 3] * mm + 0.0  # + 0.0: no negative zeros
    x, y, z = shape_xyz
    spacing = sizes * mm
    check_spacing(spacing)
    return Grid(
        shape=(z, y, x),
        spacing_zyx_mm=_triple(spacing[::-1]),
        origin_xyz_mm=_triple(origin),
        direction=tuple((axes + 0.0).ravel().tolist()),
        forms=forms,
    )


def check_spacing(spacing_xyz_mm: np.ndarray) -> None:
    """Raise `Flawed` for sizes that no scanner's voxels have, whatever a data set allows."""
    if not ((spacing_xyz_mm >= _SIZES_MM[0]) & (spacing_xyz_mm <= _SIZES_MM[1])).all():
        raise Flawed(
            f"voxels of {numbers_as_text(spacing_xyz_mm)} mm (x, y, z)", f"{_SIZES_MM[0]:g} to {_SIZES_MM[1]:g} mm"
        )


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _rows(form: np.ndarray) -> str:
    return " / ".join(numbers_as_text(row) for row in form)
