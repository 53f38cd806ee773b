"""Outputs that appear whole or not at all, and a place where an interrupted stage finds its own work again."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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
    succeeds leaves nothing in the scratch folder.

    Args:
        name: of the scratch folder; for resumable work a `fingerprint`.
        paths: outputs.
        keep_work: find the work of an earlier try again; otherwise start with an empty folder.
    """
    folder = ROOT / name
    staged = folder / "outputs"
    shutil.rmtree(staged, ignore_errors=True)  # half-written by an interrupted run; never resumed
    work = folder / "work"
    if not keep_work:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    outputs = {str(path): staged / str(index) / Path(path).name for index, path in enumerate(paths)}
    for target in outputs.values():
        target.parent.mkdir(parents=True)
    yield Scratch(work, outputs, ["resumed"] if any(work.iterdir()) else [])
    missing = [path for path, target in outputs.items() if not target.exists()]
    if missing:
        raise RuntimeError(f"stage {name} did not write {', '.join(missing)}")
    for path, target in outputs.items():
        replace(target, Path(path))
    shutil.rmtree(folder)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Where to write a file that appears at `path` when the block has succeeded, and not before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(path)
    try:
        yield partial
        replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def replace(source: Path, destination: Path) -> None:
    """Move a file or folder to `destination`, in the place of what stands there."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.is_dir() and not destination.is_symlink():
        shutil.rmtree(destination)
    try:
        source.replace(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another file system: copied beside the destination first, so that it too appears whole.
        beside = _beside(destination)
        _remove(beside)  # of a move that was broken off: a folder would be put inside it
        shutil.move(source, beside)
        beside.replace(destination)


def _beside(path: Path) -> Path:
    """Where something is made that is to stand at `path`; the end of its name stays, which says its format."""
    return path.with_name(f".partial-{path.name}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
