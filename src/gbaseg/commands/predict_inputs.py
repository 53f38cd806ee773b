"""Which scans the arguments of `predict` name: files, folders of them, folders of DICOM series, patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from gbaseg import volume
from gbaseg.errors import as_text, is_text, some_of
from gbaseg.runtime.progress import log
from gbaseg.volume.dicom import is_series


def expanded(given: Sequence[Path]) -> list[Path]:
    """One path a scan, in the order of the arguments and by name within each.

    What is there under its very name is no pattern. What names nothing stays as it is, for whoever says so.
    """
    return [scan for path in given for place in _matches(path) for scan in _scans_at(place)]


def _matches(path: Path) -> list[Path]:
    if path.exists() or not is_text(path) or not glob.has_magic(str(path)):
        return [path]
    return [Path(found) for found in sorted(glob.glob(str(path)))] or [path]


def _scans_at(path: Path) -> list[Path]:
    """A folder itself where it is a DICOM series, its files in a format that is read, its folders that are series."""
    if not path.is_dir():
        return [path]
    series = is_series(path)
    found, others = _in_folder(path)
    if found and others and not series:
        said = f"{len(others)} passed over, which are no scans by their names, and no DICOM series"
        log(f"{as_text(path)}: {said}: {some_of(others, 3)}")
    return [path, *found] if series else found or [path]


def _in_folder(folder: Path) -> tuple[list[Path], list[str]]:
    """Scans in a folder, and names of all else that is not hidden.

    A link to nothing that is called as a scan is one (DVC and git-annex leave such where data was not fetched): that it
    is not there is said with the other faults.
    """
    scans, others = [], []
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        named = path.name.lower().endswith(tuple(volume.FORMATS)) and not path.is_dir()
        if named or is_series(path):
            scans.append(path)
        else:
            others.append(as_text(Path(path.name)))
    return scans, others
