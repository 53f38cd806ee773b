"""Which scans the arguments of `predict` name: files, folders of them, folders of DICOM series, patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from gbaseg import volume
from gbaseg.commands.outputs import is_text
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
    found = list(_in_folder(path))
    return [path, *found] if is_series(path) else found or [path]


def _in_folder(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name.lower().endswith(tuple(volume.FORMATS)) if path.is_file() else is_series(path):
            yield path
