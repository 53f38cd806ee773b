"""The formats of image files that are read and written, by the ends of their names."""

from __future__ import annotations

import os
from pathlib import Path

from gbaseg.errors import UserError

# Longest first, so that `.nii.gz` is not taken for another format's `.gz`.
FORMATS = {
    ".nii.gz": "NIfTI",
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".nii": "NIfTI",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
}
# A header beside a file of voxels is read only: moved or renamed, as all that is written here is, it loses its voxels.
WRITTEN = (".nii.gz", ".nrrd", ".nii", ".mha")
# Before a suffix these are taken for another format or a pair of files: `x.img.nii.gz`.
_MISLEADING = (*FORMATS, ".gz", ".img", ".hdr")
# Bytes of a name on every file system in use, less what stands before it while it is written.
_LONGEST = 255 - len(".partial-")
ALLOWED = f"one 3D image a file, in a format that the name says: {', '.join(FORMATS)}"


def split_suffix(path: str | Path, writing: bool = False) -> tuple[str, str]:
    """(name without the format's suffix, that suffix in small letters): `a/B.c.NII.GZ` is `B.c` and `.nii.gz`.

    Args:
        path: only its last part counts.
        writing: only `WRITTEN` will do.

    Raises:
        UserError: the name ends in none of the suffixes, or is nothing but one.
    """
    name = Path(path).name
    allowed = f"written: {', '.join(WRITTEN)}" if writing else f"allowed: {ALLOWED}"
    for suffix in FORMATS:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            if writing and suffix not in WRITTEN:
                raise UserError(f"{path}: {suffix} is a header whose voxels lie in another file; {allowed}")
            return name[: -len(suffix)], suffix
    raise UserError(f"{path}: {unknown_format(name)}; {allowed}")


def file_name_fault(name: str) -> str:
    """Why no image can be written as `name`, empty where one can: what a scan or a case is called decides that."""
    size = len(os.fsencode(name))
    if not name.isprintable():
        found, allowed = f"{name!r} has signs that cannot be printed", "a name without them"
    elif "/" in name or "\\" in name:
        found, allowed = f"{name} leads to another folder", "a name without / and \\"
    elif name.startswith("."):
        found, allowed = f"{name} is a hidden file's", "one that does not begin with a dot"
    elif size > _LONGEST:
        found, allowed = f"{name} has {size} bytes", f"{_LONGEST} at most"
    else:
        try:
            stem, _ = split_suffix(name, writing=True)
        except UserError as error:
            return str(error)
        if not stem.lower().endswith(_MISLEADING):
            return ""
        found, allowed = f"{name} ends like two formats", "one format's end"
    return f"the name {found}; allowed: {allowed}"


def unknown_format(name: str) -> str:
    """What is found in place of a format's suffix, for a message."""
    if name.lower() in FORMATS:
        return "a name that is nothing but a format's suffix"
    end = "".join(Path(name).suffixes[-2:] if name.lower().endswith(".gz") else Path(name).suffixes[-1:])
    return f"no format that is read or written ({end or 'no suffix'})"
