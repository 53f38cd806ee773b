"""Room on disk and in memory: how much is free, and one line where there is none or it may not be written to."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from gbaseg.errors import UserError

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
# What a place can be short of, and what to do about it.
_FREE_SOME = "free some (dvc gc -w, an older .scratch/store), or move .scratch or DVC's cache to another disk"
_CAUSES = {
    errno.ENOSPC: ("no space left on the disk", _FREE_SOME),
    errno.EDQUOT: ("the quota is used up", _FREE_SOME),
    errno.EFBIG: ("larger than files may be here", "raise the limit (ulimit -f)"),
    errno.EROFS: ("a read-only file system", "mount it writable, or work elsewhere"),
    errno.EACCES: ("permission denied", "let this user read and write there (ls -l)"),
    errno.EPERM: ("not permitted", "let this user write there (ls -l, lsattr)"),
    errno.EIO: ("the disk failed (input/output error)", "look at the system's log (dmesg)"),
    errno.ESTALE: ("the network's file system lost it", "mount it again"),
    errno.EMFILE: ("too many open files", "raise the limit (ulimit -n)"),
    errno.ENFILE: ("too many open files in the system", "end other programs"),
}
# How torch, ITK, blosc2 and numpy say that a write failed, where they do not say why.
_FAILED_WRITE = re.compile(
    r"PytorchStreamWriter|inline_container|failed to write|cannot be written|Write: |Error while creating the NDArray"
    r"|requested and \d+ written|Error while serializing",
    re.IGNORECASE,
)
_PROBE = b"\0" * 65536
# A disk with less than this is full for whatever a stage writes.
_FULL = 1 << 16


class DiskFault(UserError):
    """Something could not be written: what, why, how much is free there, and what to do."""


def in_bytes(count: float) -> str:
    """`1.3 GiB`."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 or count >= 10 else f"{count:.1f} {_UNITS[unit]}"


def nearest(path: str | Path) -> Path:
    """The path itself, links followed, or the nearest folder above it that is there."""
    found = Path(path).resolve()
    while not found.exists() and found != found.parent:
        found = found.parent
    return found


def device_of(path: str | Path) -> int:
    """The file system that a path is on, or would be."""
    return nearest(path).stat().st_dev


def free_bytes(path: str | Path) -> int:
    """Free to this user on the file system that a path is on, or would be."""
    state = os.statvfs(nearest(path))
    return state.f_bavail * state.f_frsize


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, and of the control groups that a job or container has."""
    import psutil

    return min([psutil.virtual_memory().available, *_left_in_groups()])


def _left_in_groups(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """What version 2 of the control groups leaves this process, group by group."""
    try:
        line = next(line for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return
    group = root / line.removeprefix("0::").lstrip("/")
    for folder in [group, *group.parents]:
        try:
            limit, used = (folder / "memory.max").read_text().strip(), int((folder / "memory.current").read_text())
            files = re.search(r"^inactive_file (\d+)", (folder / "memory.stat").read_text(), re.MULTILINE)
        except (OSError, ValueError):
            continue  # the root has none
        if limit.isdigit():
            yield max(0, int(limit) - used + (int(files[1]) if files else 0))
        if folder == root:
            return


def disk_fault(error: BaseException, places: Iterable[str | Path] = ()) -> DiskFault | None:
    """What happened in one line; None where it was no fault of a disk.

    Args:
        error: as it was raised; those that it came from are looked at too.
        places: where was written to, for libraries that do not name the file or the reason.
    """
    if isinstance(error, DiskFault):
        return error
    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        one = one.__cause__ or one.__context__
    for one in chain:
        code, path = _code_of(one)
        if code is None and _FAILED_WRITE.search(str(one)):
            code, path = _probed(places)
            if code is None:
                return DiskFault(f"{', '.join(map(str, places)) or 'a file'} could not be written: {_first_line(one)}")
        if code is not None:
            return DiskFault(_sentence(code, path, places))
    return None


def _code_of(error: BaseException) -> tuple[int | None, str]:
    """Number of the system's error, where it is one of `_CAUSES`, and the file."""
    text = str(error)
    if isinstance(error, OSError) and error.errno in _CAUSES:
        names = [name for name in (error.filename2, error.filename) if name]
        return error.errno, str(names[0]) if names else ""
    if isinstance(error, OSError) and error.errno is not None:
        return None, ""
    number = re.search(r"\(os error (\d+)\)|\[Errno (\d+)\]", text)  # safetensors; shutil.Error
    code = int(number[1] or number[2]) if number else None
    if code is None:
        code = next((known for known in _CAUSES if _FAILED_WRITE.search(text) and os.strerror(known) in text), None)
    return (code if code in _CAUSES else None), ""


def _probed(places: Iterable[str | Path]) -> tuple[int | None, str]:
    """Why nothing can be written to one of these places, tried out."""
    for place in places:
        folder = nearest(place)
        folder = folder if folder.is_dir() else folder.parent
        try:
            with tempfile.TemporaryFile(dir=folder) as stream:
                stream.write(_PROBE)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            if error.errno in _CAUSES:
                return error.errno, str(place)
        if free_bytes(folder) < _FULL:
            return errno.ENOSPC, str(place)
    return None, ""


def _sentence(code: int, path: str, places: Iterable[str | Path]) -> str:
    cause, advice = _CAUSES[code]
    named = path or ", ".join(map(str, places))
    free = ""
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        here = [path] if path else [str(place) for place in places]
        free = "".join(f"; {in_bytes(free_bytes(place))} free" for place in here[:1])
    return f"{named + ': ' if named else ''}{cause}{free}; {advice}"


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


# Where the system keeps what processes share.
SHARED = Path("/dev/shm")
_LOCKS = 24


def shared_memory_fault() -> str:
    """Why processes side by side cannot share memory here, and what to do; empty where they can."""
    import multiprocessing

    try:
        # A pool of workers has some ten, a page each.
        spawn = multiprocessing.get_context("spawn")
        [spawn.Lock() for _ in range(_LOCKS)]
    except (OSError, ImportError) as error:
        said = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        where = "not there" if not SHARED.is_dir() else said
        return (
            f"{SHARED}: {where}; worker processes need it writable: mount -t tmpfs -o size=1g tmpfs {SHARED} "
            f"(docker run --shm-size=1g)"
        )
    return ""
