"""Outputs that appear whole or not at all, and a place where an interrupted stage finds its own work again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gbaseg.errors import UserError
from gbaseg.runtime.leftovers import clear_beside, discard, lock_of, tidy
from gbaseg.runtime.locks import locked
from gbaseg.runtime.whole import replace

ROOT = Path(".scratch")


def digest_of(paths: Iterable[str | Path]) -> str:
    """One hash over files and whole folders: their relative names and contents."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(p) for p in paths):
        files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
        for file in files:
            total.update(f"{path.name}/{file.relative_to(path).as_posix() if path.is_dir() else ''}".encode())
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "blake2b").digest())
    return total.hexdigest()


def fingerprint(stage: str, settings: Mapping[str, object], inputs: Iterable[str | Path]) -> str:
    """What a stage's work depends on, as one name: its name, its settings, the content of its inputs."""
    key = json.dumps([stage, settings, digest_of(inputs)], sort_keys=True, default=str)
    return f"{stage.replace('/', '_')}-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}"


@dataclass(frozen=True)
class Scratch:
    """Where one stage works.

    Args:
        work: checkpoints and intermediate files; found again by a rerun with the same fingerprint.
        outputs: what will stand at each output path when the stage is done.
        found_done: why some of the work is not done this time; a stage adds what it finds out. The time that it takes
            then says nothing of the work.
    """

    work: Path
    outputs: dict[str, Path]
    found_done: list[str] = field(default_factory=list)

    def output(self, path: str | Path) -> Path:
        """Where to write what shall appear at `path`."""
        return self.outputs[str(path)]


@contextmanager
def atomic_outputs(name: str, *paths: str | Path, keep_work: bool = True) -> Iterator[Scratch]:
    """Let a stage write into `.scratch/<name>/`; move its outputs into place when it has succeeded.

    A stage that fails leaves nothing at its output paths, and keeps `work` for the next try. A stage that
    succeeds leaves nothing in the scratch folder. What killed runs left behind goes first.

    Args:
        name: of the scratch folder; for resumable work a `fingerprint`.
        paths: outputs.
        keep_work: find the work of an earlier try again; otherwise start with an empty folder.

    Raises:
        UserError: another process is at this folder; or it was removed meanwhile.
    """
    folder = ROOT / name
    with locked(lock_of(folder), name) as lock:
        tidy(ROOT, name)
        for path in paths:
            clear_beside(Path(path))
        staged, work = folder / "outputs", folder / "work"
        _see_to_jobs(folder, keep_work)
        discard(staged)  # half-written by an interrupted run; never resumed
        if not keep_work:
            discard(work)
        work.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # used now
        outputs = {str(path): staged / str(index) / Path(path).name for index, path in enumerate(paths)}
        for target in outputs.values():
            target.parent.mkdir(parents=True)
        yield Scratch(work, outputs, ["resumed"] if any(work.iterdir()) else [])
        if not lock.is_held():
            # What lies there now may be a part of the outputs.
            raise UserError(f"{folder}: emptied while {name} worked in it; nothing was put out, run it again")
        missing = [path for path, target in outputs.items() if not target.exists()]
        if missing:
            raise RuntimeError(f"stage {name} did not write {', '.join(missing)}")
        _see_to_jobs(folder, lasting=False)
        for path, target in outputs.items():
            replace(target, Path(path))
        discard(folder)


def jobs_of(folder: Path) -> Path:
    """Where a stage's jobs, if it has some on other machines, are noted: in its scratch folder."""
    return folder / "jobs"


def _see_to_jobs(folder: Path, lasting: bool) -> None:
    """Cancel the jobs that a killed run has left, before anything is written that they are at.

    Args:
        lasting: the stage is resumable, and may wait for those of them whose work stays.
    """
    if jobs_of(folder).is_dir():
        from gbaseg.runtime.engine.slurm import abandon_all

        abandon_all(jobs_of(folder), lasting)
