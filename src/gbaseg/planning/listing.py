"""The images of one folder, by name; and what else is in it: faults, or left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from unicodedata import normalize

from gbaseg.errors import UserError, is_text, some_of
from gbaseg.planning.nnunet_folders import DATASET
from gbaseg.raw.fault import Fault
from gbaseg.volume import FORMATS, split_suffix, voxels_beside

HEADERS = (".mhd", ".nhdr")
# Of files of voxels, which lie beside their headers.
_VOXELS = (".raw", ".zraw", ".raw.gz")
# Scans that are not read. Left alone, they would be patients that are missing.
_UNREAD = (".hdr", ".img", ".hdr.gz", ".img.gz", ".dcm", ".ima", ".mnc", ".mgz", ".mgh")
_ALLOWED = f"one 3D image a file ({', '.join(FORMATS)})"


def images_of(folder: Path, option: str) -> tuple[dict[str, Path], list[Fault], list[str]]:
    """Images by `stem_of`, sorted; faults; remarks on what is left alone.

    Args:
        folder: looked into, and not below.
        option: by which it was named.
    """
    where = f"{option} {folder}"
    if not folder.is_dir():
        return {}, [Fault("", where, "no such folder" if not folder.exists() else "a file", "a folder of scans")], []
    images: dict[str, Path] = {}
    others: list[Path] = []
    faults: list[Fault] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == DATASET:
            continue
        if not path.name.lower().endswith(tuple(FORMATS)) or path.is_dir():
            others.append(path)
            continue
        if not is_text(Path(path.name)):
            faults.append(Fault("", where, f"{path.name!r}, a name that is not UTF-8", "another name"))
            continue
        try:
            stem = stem_of(path)
        except UserError as error:
            faults.append(Fault("", str(path), str(error).partition(": ")[2], "a name before the suffix"))
            continue
        if stem in images:
            faults.append(Fault("", str(path), f"also {images[stem].name}", "one file of a name"))
        images[stem] = path
    if not images and not faults:
        found = some_of(sorted(path.name for path in folder.iterdir())) or "nothing"
        allowed = f"{_ALLOWED}, not in folders below it; a DICOM series is converted first"
        return {}, [Fault("", where, f"no image in it ({found})", allowed)], []
    if unread := list(_unread(others, images)):
        allowed = f"{_ALLOWED}; convert them, or move them away"
        faults.append(Fault("", where, f"scans in formats that are not read ({some_of(unread)})", allowed))
    return images, faults, list(_left_alone(others, where, unread))


def stem_of(path: Path) -> str:
    """A name without the format's suffix; accents, which macOS writes otherwise and which look alike, in one way.

    Raises:
        UserError: there is nothing before the suffix.
    """
    return normalize("NFC", split_suffix(path)[0])


def _unread(others: Sequence[Path], images: Mapping[str, Path]) -> Iterator[str]:
    """Scans in other formats, but for voxels of a header that is read and for what is there in a format that is."""
    voxels = {voxels_beside(file) for file in images.values() if file.name.lower().endswith(HEADERS)}
    for path in others:
        suffix = next((suffix for suffix in _UNREAD if path.name.lower().endswith(suffix)), "")
        stem = normalize("NFC", path.name[: len(path.name) - len(suffix)])
        if suffix and not path.is_dir() and path not in voxels and stem not in images:
            yield path.name


def _left_alone(others: Sequence[Path], where: str, unread: Sequence[str]) -> Iterator[str]:
    files = [path.name for path in others if not path.is_dir() and not path.name.lower().endswith(_VOXELS)]
    if left := [name for name in files if name not in unread]:
        yield f"{where}: no images, and left alone: {some_of(left)}"
    if below := [path.name for path in others if path.is_dir()]:
        yield f"{where}: not looked into the folders in it: {some_of(below)}"
