"""A long training's work stays in .scratch until DVC's cache is known to have what came of it.

DVC takes over a stage's outputs after the stage has ended. Where its cache has no room it says so, goes on to the next
stage, and does this one again at the next `dvc repro`: which then finds its work here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any

from gbaseg.errors import UserError
from gbaseg.runtime.family import DVC_STAGE
from gbaseg.runtime.json_files import parse_json, read_json
from gbaseg.runtime.leftovers import FINISHED, discard, discard_unused, lock_of
from gbaseg.runtime.locks import is_held, wait_for
from gbaseg.runtime.progress import log
from gbaseg.runtime.room import device_of, free_bytes, in_bytes, nearest
from gbaseg.runtime.scratch import ROOT, Scratch
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import read_yaml
from gbaseg.workflow.layout import LOCK

# dvc.lock as it was when the last stage began; a name that ends in .lock is a lock's here.
KEPT_LOCK = ROOT / "dvc_lock.yaml"
# In a folder of finished work: what came of it.
_OUTPUTS = "outputs.json"
# What a file system gives a file at the least.
_BLOCK = 4096
# Set by DVC for the command of a stage.
_DVC_ROOT = "DVC_ROOT"
# Linux' question to a file system: let this file have the blocks of that one.
_FICLONE = 0x40049409


def cache_folder(project: Path | None = None) -> Path | None:
    """DVC's cache; None where this is no DVC project.

    Raises:
        UserError: DVC's settings cannot be read.
    """
    dvc_folder = (Path(os.environ.get(_DVC_ROOT, ".")) if project is None else project) / ".dvc"
    if not dvc_folder.is_dir():
        return None
    found = _cache_settings(dvc_folder).get("dir")
    return Path(found) if found else dvc_folder / "cache"


def _cache_settings(dvc_folder: Path) -> Mapping[str, Any]:
    from dvc.config import Config, ConfigError

    try:
        settings: Mapping[str, Any] = Config(str(dvc_folder))["cache"]
    except ConfigError as error:
        raise UserError(f"{dvc_folder / 'config'}: {error}") from error
    return settings


def is_copied(place: Path, cache: Path) -> bool:
    """Whether DVC's cache takes room for what lies at `place`.

    On one disk it does not where `cache.type` begins with hardlink, or the file system shares blocks (reflink), which
    DVC tries before anything else. With symlink a file is copied first, and linked when its output is whole.
    """
    if device_of(cache) != device_of(place):
        return True
    types = _cache_settings(Path(os.environ.get(_DVC_ROOT, ".")) / ".dvc").get("type") or ["reflink", "copy"]
    return types[0] != "hardlink" and not _shares_blocks(nearest(cache))


def _shares_blocks(folder: Path) -> bool:
    """Whether the file system of a folder knows reflinks."""
    try:
        with tempfile.TemporaryFile(dir=folder) as one, tempfile.TemporaryFile(dir=folder) as other:
            fcntl.ioctl(other.fileno(), _FICLONE, one.fileno())
    except OSError:
        return False
    return True


def check_fits(name: str, outputs: Mapping[str, Path], resumable: bool = True) -> None:
    """Check, before a stage gives up its work, that its outputs have room where they go to, DVC's cache included.

    Args:
        name: of the stage.
        outputs: path -> where it lies until the stage has ended.
        resumable: the same command finds the work again. Else there is a warning only: the outputs may fit all the
            same, and the work would be lost.

    Raises:
        UserError: a file system has too little; nothing was put out.
    """
    wanted: dict[int, tuple[Path, int]] = {}
    cache = cache_folder() if os.environ.get(DVC_STAGE) else None
    for path, made in outputs.items():
        size = size_of(made, block=_BLOCK)
        places = [Path(path)] if device_of(path) != device_of(made) else []
        for place in [*places, *([cache] if cache and is_copied(Path(path), cache) else [])]:
            known = wanted.get(device_of(place), (place, 0))
            wanted[device_of(place)] = (known[0], known[1] + size)
    for place, size in wanted.values():
        if (free := free_bytes(place)) < size:
            what = "DVC's cache" if place == cache else "the outputs"
            said = f"{name}: {what} ({place}): {in_bytes(size)} wanted, {in_bytes(free)} free"
            advice = "free some (dvc gc -w), or move the cache (dvc cache dir)"
            if not resumable:
                log(f"WARNING: {said}; {advice}")
                continue
            raise UserError(f"{said}; nothing was put out; {advice}, and give the same command again")


def size_of(path: Path, block: int = 1) -> int:
    """Bytes of a file, or of all files in a folder, each in whole blocks; 0 where there is none."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(-(-file.lstat().st_size // block) * block for file in files if file.is_file())


def done_in(folder: str) -> int:
    """Bytes that a stage's earlier try has in .scratch, also where it is put aside; what the store has too is not its.

    Args:
        folder: name of the scratch folder.
    """
    total = 0
    for path in (ROOT / folder, aside_of(folder)):
        for file in path.rglob("*"):
            try:
                state = file.lstat()
            except FileNotFoundError:
                continue  # another stage has just given it up
            if S_ISREG(state.st_mode) and state.st_nlink == 1:
                total += state.st_size
    return total


def aside_of(folder: str) -> Path:
    """Where a stage's work is put aside, by the name of its scratch folder."""
    return ROOT / f"{FINISHED}{folder}"


def keep(folder: str, scratch: Scratch) -> None:
    """Put a stage's work aside when its outputs are made, if DVC is to take them over.

    Args:
        folder: name of the scratch folder, the fingerprint of the work.
        scratch: whose `work` is put aside.
    """
    if not os.environ.get(DVC_STAGE):
        return
    outputs = json.dumps({path: _hashes(made) for path, made in scratch.outputs.items()}, indent=1)
    aside = aside_of(folder)
    with _alone_at(aside) as alone:
        if not alone:
            log(f"warning: {folder}: another stage is at {aside}: the work is not put aside")
            return
        discard(aside)
        _drop_linked(scratch.work)
        with written_whole(aside / _OUTPUTS) as partial:
            partial.write_text(outputs)
        scratch.work.rename(aside / "work")
    for other in _kept(folder.rpartition("-")[0]):
        if other != aside:
            discard_unused(other)  # one a stage, so that it does not grow


def bring_back(folder: str, scratch: Scratch) -> None:
    """Let a stage find work that was put aside, where DVC never got what came of it."""
    aside = aside_of(folder)
    if not aside.is_dir():
        return
    with _alone_at(aside) as alone:
        if not alone or not (aside / "work").is_dir() or any(scratch.work.iterdir()):
            return
        log(f"{folder}: was finished before, and DVC's cache does not have it: found again")
        scratch.work.rmdir()
        (aside / "work").rename(scratch.work)
        scratch.found_done.append("resumed")
        discard(aside)


def keep_lock() -> None:
    """Put a copy of dvc.lock aside: DVC has just read it, and writes it in place when this stage has ended."""
    if os.environ.get(DVC_STAGE) and LOCK.is_file():
        with written_whole(KEPT_LOCK) as partial:
            shutil.copyfile(LOCK, partial)


def release() -> None:
    """Remove work whose outputs DVC's cache has; say of which it has not."""
    kept = _kept()
    if not kept:
        return
    cache, noted = cache_folder(), _noted_hashes()
    for aside in kept:
        # Another stage may be about to put it there, or to take it back.
        if is_held(lock_of(aside), beats=False):
            continue
        with _alone_at(aside) as alone:
            if alone and aside.is_dir():
                _release(aside, cache, noted)


def _release(aside: Path, cache: Path | None, noted: Mapping[str, str]) -> None:
    try:
        outputs = read_json(aside / _OUTPUTS)
    except UserError:
        outputs = {}
    if not outputs or not (aside / "work").is_dir():
        discard(aside)  # of a run that was killed while it put its work aside, or took it back
        return
    lacking = [
        path for path, files in outputs.items() if cache is None or not _is_cached(noted.get(path), files, cache)
    ]
    if not lacking:
        discard(aside)
    else:
        log(f"warning: DVC's cache does not have {', '.join(lacking)}; its work stays in {aside}")


def _kept(stage: str = "") -> list[Path]:
    return sorted(path for path in ROOT.glob(f"{FINISHED}{stage}-*" if stage else f"{FINISHED}*") if path.is_dir())


@contextmanager
def _alone_at(aside: Path) -> Iterator[bool]:
    """Hold the lock on a folder that is put aside; False: another stage is at it, and stays so."""
    try:
        lock = wait_for(lock_of(aside), str(aside))
    except UserError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _drop_linked(work: Path) -> None:
    """Remove what is linked to the store, so that the store frees room when it gives something up.

    These are preprocessed cases. Markers say that they are gone; a finished fold needs none of them.
    """
    for file in list(work.rglob("*")):
        state = file.lstat()
        if S_ISREG(state.st_mode) and state.st_nlink > 1:
            file.unlink()


def _hashes(path: Path) -> dict[str, str]:
    """Relative name -> MD5, as DVC has it, of a file (named "") or of all files in a folder."""
    files: Iterable[Path] = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = {}
    for file in files:
        if file.is_file():
            name = file.relative_to(path).as_posix() if file != path else ""
            with file.open("rb") as stream:
                found[name] = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return found


def _is_cached(noted: str | None, files: Mapping[str, str], cache: Path) -> bool:
    """Whether an output that dvc.lock notes with this hash is these very files, and all of them are in the cache."""
    if noted is None:
        return False
    if noted.endswith(".dir"):
        listing = _in_cache(cache, noted)
        if not listing.is_file():
            return False
        try:
            entries = parse_json(listing.read_bytes(), listing, kind=list)
        except UserError:
            return False  # torn: the disk was full
        if {entry["relpath"]: entry["md5"] for entry in entries} != dict(files):
            return False
    elif files != {"": noted}:
        return False
    return all(_in_cache(cache, md5).is_file() for md5 in files.values())


def _in_cache(cache: Path, md5: str) -> Path:
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def _noted_hashes() -> dict[str, str]:
    """Output -> MD5, of all that dvc.lock names."""
    if not LOCK.is_file():
        return {}
    stages = (read_yaml(LOCK) or {}).get("stages", {})
    return {out["path"]: str(out["md5"]) for one in stages.values() for out in one.get("outs", []) if out.get("md5")}
