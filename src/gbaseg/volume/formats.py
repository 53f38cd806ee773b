"""The formats of image files that are read and written, by the ends of their names."""

from __future__ import annotations

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


def unknown_format(name: str) -> str:
    """What is found in place of a format's suffix, for a message."""
    if name.lower() in FORMATS:
        return "a name that is nothing but a format's suffix"
    end = "".join(Path(name).suffixes[-2:] if name.lower().endswith(".gz") else Path(name).suffixes[-1:])
    return f"no format that is read or written ({end or 'no suffix'})"
