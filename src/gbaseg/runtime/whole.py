"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gbaseg.runtime.leftovers import beside, discard, remove


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Where to write a file that appears at `path` when the block has succeeded, and not before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        yield partial
        replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def replace(source: Path, destination: Path) -> None:
    """Move a file or folder to `destination`, in the place of what stands there."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.is_dir() and not destination.is_symlink():
        discard(destination)
    try:
        source.replace(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another file system: copied beside the destination first, so that it too appears whole.
        copied = beside(destination)
        remove(copied)  # of a move that was broken off: a folder would be put inside it
        shutil.move(source, copied)
        copied.replace(destination)
