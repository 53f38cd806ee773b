"""The header of a MetaImage file (.mha, .mhd)."""

from __future__ import annotations

import numpy as np

from gbaseg.volume.flaws import Flawed, unreadable
from gbaseg.volume.text_headers import (
    MOST_HEADER,
    Described,
    enter,
    first_of,
    grid_of,
    numbers,
    sizes,
    text_of,
    type_of,
)

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


def meta_image(start: bytes) -> tuple[Described, int]:
    fields: dict[str, str] = {}
    end = 0
    while "ElementDataFile" not in fields:
        stop = start.find(b"\n", end, end + MOST_HEADER)
        line = text_of(start[end : stop if stop >= 0 else len(start)])
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or (stop < 0 and key != "ElementDataFile"):
            raise unreadable(f"no MetaImage header: line {line[:40]!r}")
        enter(fields, key, value)
        end = len(start) if stop < 0 else stop + 1
    if fields.get("ObjectType", "Image") != "Image":
        raise Flawed(f"ObjectType {fields['ObjectType']}", "Image")
    for key, allowed in (("NDims", "3"), ("ElementNumberOfChannels", "1"), ("BinaryData", "True"), ("HeaderSize", "0")):
        found = fields.get(key, "1" if key == "ElementNumberOfChannels" else "0" if key == "HeaderSize" else "nothing")
        if found.lower() != allowed.lower():
            raise Flawed(f"{key} {found}", f"{key} {allowed}: a 3D image with one channel, in binary")
    unit = fields.get("DistanceUnits", "mm").lower()
    if unit not in ("mm", "?"):
        raise Flawed(f"DistanceUnits {unit}", "mm")
    shape_xyz = sizes(fields.get("DimSize"), "DimSize")
    if fields.get("ElementType") in ("MET_LONG", "MET_ULONG"):  # 4 bytes or 8, by the machine that wrote it
        raise Flawed(f"ElementType {fields['ElementType']}: its size is not defined", "MET_INT or MET_SHORT; resave it")
    dtype = type_of(fields.get("ElementType"), _TYPES, "ElementType")
    order = first_of(fields, ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")) or "False"
    spacing = numbers(first_of(fields, ("ElementSpacing", "ElementSize")), 3, "ElementSpacing")
    matrix = first_of(fields, ("TransformMatrix", "Rotation", "Orientation"))
    # A row of the file is an axis of the voxels, a column here.
    axes = numbers(matrix, 9, "TransformMatrix").reshape(3, 3).T if matrix else np.eye(3)
    origin = first_of(fields, ("Offset", "Position", "Origin"))
    grid = grid_of(shape_xyz, spacing, axes, numbers(origin, 3, "Offset") if origin else np.zeros(3))
    name = fields["ElementDataFile"]
    if name.upper() == "LIST" or "%" in name or (len(name.split()) > 1 and not name.endswith(("raw", "zraw"))):
        raise Flawed(f"voxels in several files ({name})", "one file")
    return Described(
        grid,
        dtype.newbyteorder(">" if order.lower() == "true" else "<"),
        "zlib" if fields.get("CompressedData", "False").lower() == "true" else "",
        "" if name.upper() == "LOCAL" else name,
        bool(matrix),
    ), end
