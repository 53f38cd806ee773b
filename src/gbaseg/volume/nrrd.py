"""The header of an NRRD file (.nrrd, .nhdr)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gbaseg.volume.flaws import Flawed, unreadable
from gbaseg.volume.text_headers import MOST_HEADER, Described, enter, grid_of, numbers, sizes, text_of, type_of

_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4", "double": "f8",
}  # fmt: skip
# To ITK's axes: left, posterior, superior.
_SPACES = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1), "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}  # fmt: skip


def nrrd(start: bytes) -> tuple[Described, int]:
    end = len(start)
    for blank in (b"\n\n", b"\r\n\r\n"):
        at = start.find(blank, 0, MOST_HEADER)
        end = min(end, at + len(blank)) if at >= 0 else end
    # Not `splitlines`, which also ends lines at signs that may stand in a name.
    first, *lines = [text_of(line) for line in start[:end].split(b"\n")] if start.startswith(b"NRRD000") else ["", ""]
    if not first:
        raise unreadable("no NRRD header")
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith("#") and ":=" not in line:
            key, colon, value = line.partition(":")
            if not colon:
                raise Flawed(f"no line of a NRRD header ({line[:40]!r})", "field: value")
            enter(fields, key.strip().lower().replace("datafile", "data file"), value.strip())
    if fields.get("dimension") != "3":
        raise Flawed(f"found {fields.get('dimension', 'no ')}D", "a 3D image with one channel")
    kinds = set(fields.get("kinds", "").lower().split())
    if kinds - {"domain", "space", "???", "none"}:
        raise Flawed(f"kinds {fields['kinds']}", "three axes in space, one number a voxel")
    for key in ("line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(key, "0") != "0":
            raise Flawed(f"{key} {fields[key]}", "voxels from the first byte on")
    _check_units(fields)
    encoding = fields.get("encoding", "nothing").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise Flawed(f"encoding {encoding}", "raw or gzip")
    shape_xyz = sizes(fields.get("sizes"), "sizes")
    dtype = type_of(fields.get("type", "").lower() or None, _TYPES, "type")
    order = fields.get("endian", "little" if dtype.itemsize == 1 else "nothing").lower()
    if order not in ("little", "big"):
        raise Flawed(f"endian {order}", "little or big")
    spacing, axes, origin, placed = _place(fields)
    name = fields.get("data file", "")
    if name.upper().startswith("LIST") or "%" in name:
        raise Flawed(f"voxels in several files ({name})", "one file")
    return Described(
        grid_of(shape_xyz, spacing, axes, origin),
        dtype.newbyteorder("<" if order == "little" else ">"),
        "" if encoding == "raw" else "gzip",
        name,
        placed,
    ), end


def _check_units(fields: Mapping[str, str]) -> None:
    units = {unit.lower() for key in ("space units", "units") for unit in fields.get(key, "").replace('"', " ").split()}
    if units - {"mm", "millimeter", "millimeters", "millimetre"}:
        raise Flawed(f"units {', '.join(sorted(units))}", "mm")


def _place(fields: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Spacing, axes as columns, origin; and whether the patient's axes are said."""
    space = fields.get("space", "").lower()
    if "space directions" not in fields:
        spacing = numbers(fields.get("spacings"), 3, "spacings or space directions")
        return spacing, np.eye(3), np.zeros(3), False
    turn = np.array(_SPACES.get(space, (1, 1, 1)), float)
    vectors = numbers(fields["space directions"], 9, "space directions").reshape(3, 3)
    spacing = np.linalg.norm(vectors, axis=1)
    origin = fields.get("space origin")
    if not (spacing > 0).all():
        raise Flawed(f"space directions {fields['space directions']}", "three axes")
    axes = turn[:, None] * (vectors / spacing[:, None]).T
    return spacing, axes, turn * (numbers(origin, 3, "space origin") if origin else 0.0), space in _SPACES
