"""What killed runs leave behind: scratch folders, half-made entries of the store, folders of progress.

Something is removed only where nobody can be at it: its lock is free. A folder goes by one renaming first, so that what
is found under its own name is never a part of it.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gbaseg.runtime.locks import Holder, Lock, holder_of, is_held, try_lock
from gbaseg.runtime.progress import log

# Starts of names: what is under removal, and what is made aside.
_REMOVED, _PARTIAL = ".removed-", ".partial-"
# And of a finished training's work that is put aside (stages.saved).
FINISHED = "finished-"
# Folder of a worker pool's progress, in the temporary folder, where others have theirs, and all that is put there.
TEMPORARY = "gbaseg-progress-"
# Python's folder of the socket at which a process asks for forks; ours have a lock in them (runtime.fork_server).
_SOCKETS = "pymp-"
_OF_PROGRESS = re.compile(r"\.lock|.*\.(json|\d+)", re.DOTALL)
# Unfinished work of one stage under other parameters that is kept: whoever goes back to them goes on.
KEPT_TRIES = 3
# Without a lock (an older version's entry of the store) only age tells.
_OLD_S = 7 * 86_400.0
_NEW_S = 60.0


@dataclass(frozen=True)
class Leftover:
    """Something that a run keeps or has left.

    Args:
        what: in words.
        used: when it was last used, in seconds since the epoch.
        holder: who is at it.
    """

    what: str
    path: Path
    size: int
    used: float
    holder: Holder | None = None


def beside(path: Path) -> Path:
    """Where something is made that is to stand at `path`; the end of its name stays, which says its format."""
    return path.with_name(f"{_PARTIAL}{path.name}")


def lock_of(folder: Path) -> Path:
    """The lock on a folder, beside it."""
    return folder.with_name(f"{folder.name}.lock")


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove a folder, if it is there: under its own name it is whole or gone, whenever this is broken off."""
    away = folder.with_name(f"{_REMOVED}{os.getpid()}-{time.monotonic_ns()}-{folder.name}")
    try:
        folder.rename(away)
    except FileNotFoundError:
        return
    shutil.rmtree(away, ignore_errors=True)


def discard_unused(folder: Path) -> bool:
    """Remove a folder if its lock is free; whether that was so."""
    if is_held(lock_of(folder), beats=False) or not isinstance(lock := try_lock(lock_of(folder)), Lock):
        return False
    try:
        discard(folder)
    finally:
        lock.release()
    return True


def clear_beside(path: Path) -> None:
    """Remove what a run that was killed while it moved something to `path` has left beside it."""
    remove(beside(path))
    for away in path.parent.glob(f"{_REMOVED}*-{glob.escape(path.name)}"):
        remove(away)


def tidy(root: Path, name: str) -> None:
    """Remove what killed runs have left in the scratch folder and in the temporary one.

    Args:
        root: the scratch folder.
        name: whose run this is: of its stage's unfinished work only the last `KEPT_TRIES` others stay.
    """
    # An older version's had no more to its name.
    for path in (*root.glob(f"{_REMOVED.rstrip('-')}*"), *root.glob(f"store/*/{_REMOVED}*")):
        shutil.rmtree(path, ignore_errors=True)
    for lock in root.glob("*.lock"):
        folder = lock.with_suffix("")
        if not folder.exists():
            discard_unused(folder)
    for path in root.glob(f"store/*/{_PARTIAL}*"):
        _discard_abandoned(path)
    for path in _of_progress():
        _discard_abandoned(path)
    for path in Path(tempfile.gettempdir()).glob(f"{_SOCKETS}*"):
        if lock_inside(path).exists():
            _discard_abandoned(path)
    stage, dash, _ = name.rpartition("-")
    if dash:
        tries = sorted((path for path in root.glob(f"{stage}-*") if path.name != name and path.is_dir()), key=_used)
        for path in tries[:-KEPT_TRIES]:
            if discard_unused(path):
                log(f"{path}: removed, {KEPT_TRIES} later tries of {stage} under other parameters are kept")


def lock_inside(folder: Path) -> Path:
    """The lock of a folder that lies among others' (the store, the temporary folder)."""
    return folder / ".lock"


def leftovers(root: Path) -> Iterator[Leftover]:
    """All that the scratch folder and the temporary one hold, the store in one piece a kind."""
    counted: set[int] = set()
    store = root / "store"
    for kind in sorted(path for path in store.glob("*") if path.is_dir()):
        entries = [path for path in kind.iterdir() if not path.name.startswith(".")]
        if entries:
            size = sum(_size(path, counted) for path in entries)
            yield Leftover(f"store: {kind.name}, {len(entries)} entries", kind, size, max(map(_used, entries)))
        for path in sorted(kind.glob(".*")):
            yield Leftover("half-made entry", path, _size(path, counted), _used(path), _holder(lock_inside(path)))
    for path in sorted(root.glob("*")):
        if path.is_dir() and path != store:
            kinds = {_REMOVED: "under removal", FINISHED: "finished work"}
            what = next((kind for start, kind in kinds.items() if path.name.startswith(start)), "unfinished work")
            yield Leftover(what, path, _size(path, counted), _used(path), _holder(lock_of(path)))
    for path in _of_progress():
        yield Leftover("progress", path, _size(path, counted), _used(path), _holder(lock_inside(path)))


def remove_older(root: Path, seconds: float, told: Callable[[Path, int], None]) -> None:
    """Remove what was last used longer ago than that, and nobody is at.

    Args:
        told: of each path and its bytes.
    """
    limit = time.time() - seconds
    for one in leftovers(root):
        if one.what.startswith("store"):
            for entry in one.path.iterdir():
                if not entry.name.startswith(".") and _used(entry) < limit:
                    size = _size(entry, set())
                    discard(entry)
                    told(entry, size)
        elif one.used < limit and one.holder is None:
            gone = discard_unused(one.path) if one.path.parent == root else _discard_abandoned(one.path, 0.0)
            if gone:
                told(one.path, one.size)


def _discard_abandoned(folder: Path, age_s: float = _OLD_S) -> bool:
    """Remove a folder with a lock inside that nobody holds; one without a lock by its age."""
    try:
        if not _is_ours(folder):
            return False
        lock = lock_inside(folder)
        if is_held(lock, beats=False) if lock.exists() else time.time() - _used(folder) < max(age_s, _NEW_S):
            return False
        if lock.exists() and lock.stat().st_size == 0 and time.time() - _used(lock) < _NEW_S:
            return False  # made a moment ago, and not yet taken
        shutil.rmtree(folder)
    except FileNotFoundError:
        return False  # another run was first
    return True


def _of_progress() -> Iterator[Path]:
    """This user's folders of progress: with a lock, and nothing in them that is not progress."""
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*")):
        try:
            if _is_ours(folder) and lock_inside(folder).exists() and all(map(_is_progress, folder.iterdir())):
                yield folder
        except OSError:
            continue  # gone meanwhile, or closed to us


def _is_progress(path: Path) -> bool:
    return bool(_OF_PROGRESS.fullmatch(path.name)) and path.is_file() and not path.is_symlink()


def _is_ours(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid()


def _holder(lock: Path) -> Holder | None:
    if not is_held(lock):
        return None
    return holder_of(lock) or Holder(0, "?", "", "")


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _size(folder: Path, counted: set[int]) -> int:
    """Bytes of the files that were not counted before: the store's are linked to where they are used."""
    total = 0
    for file in [folder] if folder.is_file() else folder.rglob("*"):
        try:
            state = file.lstat()
        except FileNotFoundError:
            continue
        if state.st_ino not in counted and not file.is_dir():
            counted.add(state.st_ino)
            total += state.st_size
    return total
