"""Finished work under the hash of what it was made from: what is asked for again is not made again.

For pieces of a stage. Whole stages are DVC's, whose run cache does the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What has gone unused for longest goes when there is more; a data set of 700 scans at the paper's grid has some 10 GiB.
LIMIT_GIB = 50.0


def key_of(*parts: object) -> str:
    """A name for work that follows from `parts`: JSON values, and paths, which stand for their files' contents."""
    total = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "blake2b").digest())
        else:
            total.update(hashlib.blake2b(json.dumps(part, sort_keys=True, default=str).encode()).digest())
    return total.hexdigest()


@dataclass(frozen=True)
class Store:
    """Folders of files by key, in `folder`. Several processes may use one store at a time."""

    folder: Path

    def find(self, key: str) -> Path | None:
        """The folder of a key, whose files are to be read and linked, never changed; None where there is none."""
        found = self.folder / key
        try:
            os.utime(found)  # used now
        except FileNotFoundError:
            return None
        return found

    def get(self, key: str, make: Callable[[Path], object]) -> Path:
        """The folder of a key; where there is none, `make` is called with an empty folder to fill."""
        found = self.find(key)
        if found is None:
            with self.add(key) as folder:
                make(folder)
            found = self.folder / key
        return found

    @contextmanager
    def add(self, key: str) -> Iterator[Path]:
        """An empty folder, which becomes that of the key when the block has succeeded."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.folder))
        try:
            yield partial
            try:
                partial.rename(self.folder / key)
            except OSError:
                # Another process was first, with the same files.
                if not (self.folder / key).is_dir():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def prune(self, limit_bytes: float = LIMIT_GIB * 2**30) -> None:
        """Remove what was used longest ago until no more than `limit_bytes` are left. Nobody may add meanwhile."""
        if not self.folder.is_dir():
            return
        entries = sorted((entry.stat().st_mtime, entry) for entry in self.folder.iterdir() if entry.is_dir())
        sizes = {entry: sum(file.stat().st_size for file in entry.rglob("*") if file.is_file()) for _, entry in entries}
        total = sum(sizes.values())
        for _, entry in entries:
            if total <= limit_bytes:
                return
            shutil.rmtree(entry)
            total -= sizes[entry]


def link(source: Path, destination: Path) -> None:
    """Let a stored file appear at `destination`: a hard link, a copy where the file system has none."""
    destination.unlink(missing_ok=True)
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)
