"""Files of a run, read back: of this folder, or of another revision with what DVC's cache has of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gbaseg import params, volume
from gbaseg.errors import UserError
from gbaseg.git import below_the_top
from gbaseg.runtime.json_files import parse_json
from gbaseg.text_file import parse_yaml, text_of


class Files(Protocol):
    """Where the files of one run are read from."""

    @property
    def of(self) -> str:
        """That run, in messages."""

    def read_text(self, path: str) -> str:
        """Content of a file; OSError where there is none."""

    def read_bytes(self, path: str) -> bytes:
        """The same, as bytes."""


class _Folder:
    """The files of this folder."""

    of = "this folder"

    def read_text(self, path: str) -> str:
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file")
        return text_of(Path(path))

    def read_bytes(self, path: str) -> bytes:
        return Path(path).read_bytes()


@dataclass(frozen=True)
class _Revision:
    """The files of this folder at another time."""

    files: Any
    below: str
    of: str

    def read_text(self, path: str) -> str:
        return str(self.files.read_text(f"{self.below}{path}"))

    def read_bytes(self, path: str) -> bytes:
        return bytes(self.files.read_bytes(f"{self.below}{path}"))


def open_revision(revision: str, name: str = "") -> Files:
    """Files of a revision, those that DVC tracks too; empty: of this folder.

    Args:
        revision: a commit.
        name: of its experiment, for messages.
    """
    if not revision:
        return _Folder()
    from dvc.api import DVCFileSystem

    # Of a revision DVC shows the whole repository; this project may be a folder of it, with a DVC of its own.
    below = below_the_top()
    return _Revision(DVCFileSystem(rev=revision, subrepos=bool(below)), below, f"experiment {name or revision[:7]}")


@contextmanager
def in_cache(files: Files, path: Path) -> Iterator[None]:
    """A file of an experiment is read within.

    Raises:
        UserError: it is not in DVC's cache, or not in this folder; says of which experiment.
    """
    try:
        yield
    except OSError as error:
        gone = "not run to its end, or no longer in DVC's cache (`dvc exp remove` it, and run it again)"
        remedy = "`dvc repro` makes it" if isinstance(files, _Folder) else gone
        raise UserError(f"{files.of}: {path}: {error.strerror or 'no such file'}; {remedy}") from error


def read_volume(files: Files, path: Path) -> volume.Volume:
    """An image of an experiment.

    Raises:
        UserError: it is not in DVC's cache.
    """
    with in_cache(files, path):
        content = files.read_bytes(str(path))
    with tempfile.NamedTemporaryFile(suffix="".join(path.suffixes[-2:])) as stream:  # `read` takes files
        stream.write(content)
        stream.flush()
        return volume.read(stream.name)


def values_of(files: Files, structure: str) -> tuple[int, int]:
    """A structure's value in the masks of an experiment, and in the labels of its data set; empty: the tumour's."""
    settings = params.check(parse_yaml(files.read_text(str(params.PATH)), str(params.PATH)))
    name = structure or settings.dataset.tumour
    return settings.labels[name], settings.dataset.label_values[name]


def read_json(run: str, files: Files, path: Path, optional: bool = False) -> dict[str, Any]:
    """Content of a JSON file of a run; empty where an optional one is not there."""
    try:
        text = files.read_text(str(path))
    except FileNotFoundError:
        if optional:
            return {}
        raise
    content: dict[str, Any] = parse_json(text, f"{run}: {path}")
    return content


def read_optional(files: Files, path: Path) -> str:
    """Content of a file; empty where there is none."""
    try:
        return files.read_text(str(path))
    except FileNotFoundError:
        return ""
