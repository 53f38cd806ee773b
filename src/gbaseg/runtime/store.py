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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gbaseg.runtime.leftovers import discard, lock_inside
from gbaseg.runtime.locks import wait_for
from gbaseg.runtime.markers import read_marker, write_marker

_MARKER = "files.json"
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
    """Folders of files by key, in `folder`. Several processes may use one store at a time.

    Each has a marker with sizes and hashes: what was changed or cut off is not found.

    Args:
        folder: of the store.
        recipe: number of the code that fills it, for keys: what older code made is not found.
    """

    folder: Path
    recipe: int = 0

    def find(self, key: str) -> Path | None:
        """The folder of a key, whose files are to be read and linked, never changed; None where there is none."""
        found = self.folder / key
        if not found.is_dir():
            return None
        if read_marker(found / _MARKER) is None:
            discard(found)
            return None
        with suppress(FileNotFoundError):  # pruned meanwhile by another process: its files are linked, or made again
            os.utime(found)  # used now
        return found if found.is_dir() else None

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
        lock = wait_for(lock_inside(partial), f"{partial}")
        try:
            yield partial
            write_marker(partial / _MARKER, [path for path in partial.iterdir() if path != lock.path])
            lock.path.unlink()
            try:
                partial.rename(self.folder / key)
            except OSError:
                # Another process was first, with the same files.
                if not (self.folder / key).is_dir():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            lock.release()

    def prune(self, limit_bytes: float = LIMIT_GIB * 2**30) -> None:
        """Remove what was used longest ago until no more than `limit_bytes` are left. Nobody may add meanwhile."""
        if not self.folder.is_dir():
            return
        found = [entry for entry in self.folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        entries = sorted((entry.stat().st_mtime, entry) for entry in found)
        sizes = {entry: _size(entry) for entry in found}
        total = sum(sizes.values())
        for _, entry in entries:
            if total <= limit_bytes:
                return
            discard(entry)
            total -= sizes[entry]


def _size(entry: Path) -> int:
    """Bytes of what was put in."""
    return sum(file.stat().st_size for file in entry.rglob("*") if file.is_file() and file.name != _MARKER)


def link(source: Path, destination: Path) -> None:
    """Let a stored file appear at `destination`: a hard link, a copy where the file system has none."""
    destination.unlink(missing_ok=True)
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)
