"""What may stand at an output's place: checked before any work, so that no result is lost at the end of it."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from gbaseg.runtime.progress import log


def unwritable(path: Path) -> str:
    """Why nothing can be written at `path` (a file or folder, there or not), empty where it can.

    The nearest folder above that exists is tried with a file without a name, which leaves nothing behind: permissions
    alone say too little (root, network file systems, read-only mounts).
    """
    folder = path if path.is_dir() else path.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is no folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror})"


def identity(path: Path) -> tuple[int, int] | None:
    """The file that `path` leads to, the same by links and by another case of its name; `None` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def same_file(path: Path, others: Iterable[Path]) -> Path | None:
    """The first of `others` that is the file at `path`."""
    this = identity(path)
    return next((other for other in others if this is not None and identity(other) == this), None)


def remove_former(paths: Iterable[Path]) -> None:
    """Remove what an earlier call wrote and this one has nothing for: beside its files it would be taken for theirs."""
    for path in paths:
        if path.is_file():
            path.unlink()
            log(f"{path}: of an earlier call, this one has none; removed")


def shared_names(names: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Names that several wish for, with those who do: equal, or but for the case of letters or how accents are coded.

    Some file systems (macOS, Windows, many network drives) take such names for one.

    Args:
        names: (who, name).
    """
    wishes = defaultdict(list)
    for who, name in names:
        wishes[unicodedata.normalize("NFC", name).casefold()].append((who, name))
    return [(group[0][1], [who for who, _ in group]) for group in wishes.values() if len(group) > 1]
