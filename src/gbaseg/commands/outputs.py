"""What may stand at an output's place: checked before any work, so that no result is lost at the end of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


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


def same_file(path: Path, others: Iterable[Path]) -> Path | None:
    """The first of `others` that is the file at `path`: by links, or by another case of its name, too."""
    if not path.exists():
        return None
    return next((other for other in others if other.exists() and path.samefile(other)), None)
