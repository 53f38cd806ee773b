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
ALLOWED = f"one 3D image a file, by its name {', '.join(FORMATS)}"


def split_suffix(path: str | Path) -> tuple[str, str]:
    """(name without the format's suffix, that suffix in small letters): `a/B.c.NII.GZ` is `B.c` and `.nii.gz`.

    Raises:
        UserError: the name ends in none of `FORMATS`, or is nothing but a suffix.
    """
    name = Path(path).name
    for suffix in FORMATS:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)], suffix
    raise UserError(f"{path}: {unknown_format(name)}; allowed: {ALLOWED}")


def unknown_format(name: str) -> str:
    """What is found in place of a format's suffix, for a message."""
    if name.lower() in FORMATS:
        return "a name that is nothing but a format's suffix"
    end = "".join(Path(name).suffixes[-2:] if name.lower().endswith(".gz") else Path(name).suffixes[-1:])
    return f"no format that is read or written ({end or 'no suffix'})"
