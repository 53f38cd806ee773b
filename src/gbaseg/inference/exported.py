"""A round in one file: a zip of weights and JSON that is read without running anything that it holds."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from gbaseg.errors import UserError
from gbaseg.inference.contents import FORMAT, NAME, VERSION, Contents, settings_of
from gbaseg.inference.model import Described, Model
from gbaseg.inference.words import words_of
from gbaseg.params import Params
from gbaseg.runtime.json_files import parse_json
from gbaseg.runtime.whole import written_whole
from gbaseg.segmentation.ensemble import Ensemble

# The first day that a zip can name: the same model gives the same bytes whenever it is exported.
_WHEN = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
_CHUNK = 1 << 20
# A model.json has some KiB, and no model so many bytes: a zip that claims more is none of ours.
_MOST_JSON, _MOST = 1 << 24, 1 << 36
# Whatever zipfile raises on a file that is damaged, encrypted or packed in a way that it does not know.
_BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError)
_AGAIN = "`gbaseg export` writes it anew, a download may have to be repeated"


def write_zip(path: Path, files: Mapping[str, bytes | Path]) -> None:
    """Write a zip, whole or not at all; equal contents, equal bytes (no times, nothing packed, in this order).

    Args:
        files: name -> content, or the file that has it.
    """
    with written_whole(path) as partial_path, zipfile.ZipFile(partial_path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _WHEN)
            info.external_attr, info.create_system = _READABLE, 3
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size  # of more than 2 GiB the zip has another header
            with content.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK)


def digest(content: bytes | Path) -> str:
    """SHA-256 of a content or a file."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def describe_zip(path: Path) -> Described:
    """The model in a zip of `gbaseg export`.

    Raises:
        UserError: it is damaged, or none.
    """
    with _opened(path) as archive:
        if NAME not in archive.namelist():
            raise UserError(f"{path}: no {NAME} in it; allowed: a zip of `gbaseg export`")
        info = archive.getinfo(NAME)
        if info.file_size > _MOST_JSON:
            raise UserError(f"{path}: {NAME} of {info.file_size} bytes; allowed: {_MOST_JSON} at most")
        contents = _contents(archive.read(info), f"{path}: {NAME}")
        missing = [name for name in contents.files if name not in archive.namelist()]
        size = sum(archive.getinfo(name).file_size for name in contents.files if name not in missing)
    if size > _MOST:
        raise UserError(f"{path}: {size} bytes when unpacked; allowed: {_MOST} at most")
    return _described(path, contents, missing, partial(_load_zip, path, contents))


def describe_folder(folder: Path) -> Described:
    """The model in the folder of an unpacked zip.

    Raises:
        UserError: its model.json is damaged, or none.
    """
    contents = _contents((folder / NAME).read_bytes(), str(folder / NAME))
    missing = [name for name in contents.files if not (folder / name).is_file()]
    return _described(folder, contents, missing, partial(_load_folder, folder, contents))


def _described(path: Path, contents: Contents, missing: list[str], load: Any) -> Described:
    settings = settings_of(contents.params, f"{path}: {NAME}: params")
    if contents.fine_grid and settings.standardise.fine_spacing_xyz_mm is None:
        raise UserError(f"{path}: {NAME}: on the finer grid, without standardise.fine_spacing_xyz_mm; {_AGAIN}")
    faults = (f"{path}: no {', '.join(missing)}; {_AGAIN}",) if missing else ()
    return Described(contents.round, settings, faults, partial(load, settings))


def _contents(text: bytes, where: str) -> Contents:
    found = parse_json(text, where, ("format", "version"))
    if found["format"] != FORMAT:
        raise UserError(f"{where}: format {found['format']!r}; allowed: {FORMAT!r}, as `gbaseg export` writes it")
    if found["version"] != VERSION:
        raise UserError(
            f"{where}: version {found['version']!r} of the format, this gbaseg reads {VERSION}; install the gbaseg "
            f"that wrote it ({found.get('made_with', {}).get('gbaseg', 'a later one')})"
        )
    try:
        return Contents.model_validate(found)
    except ValidationError as error:
        faults = [
            f"  - {'.'.join(str(part) for part in fault['loc'])}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        raise UserError("\n".join([f"{where}: {len(faults)} fault(s); {_AGAIN}", *faults])) from error


def _load_zip(path: Path, contents: Contents, settings: Params) -> Model:
    with _opened(path) as archive, tempfile.TemporaryDirectory(prefix="gbaseg-model-") as temporary:
        folder = Path(temporary)
        for name, expected in contents.files.items():
            with archive.open(name) as source, (folder / name).open("wb") as target:
                found = _copied(source, target)
            _check(f"{path}: {name}", found, expected)
        return _loaded(folder, path, contents, settings)


def _load_folder(folder: Path, contents: Contents, settings: Params) -> Model:
    for name, expected in contents.files.items():
        _check(str(folder / name), digest(folder / name), expected)
    folds = [name for name in contents.files if name.startswith("fold_")]
    more = sorted({path.name for path in folder.glob("fold_*.safetensors")} - {*folds})
    if more:
        raise UserError(f"{folder}: {', '.join(more)}: not of this model by its {NAME}; {_AGAIN}")
    return _loaded(folder, folder, contents, settings)


def _loaded(folder: Path, path: Path, contents: Contents, settings: Params) -> Model:
    try:
        ensemble = Ensemble(folder, settings.segmentation.prediction)
    except UserError as error:
        # Where a zip was unpacked is nobody's business.
        raise UserError(str(error).replace(str(folder), str(path))) from error
    except Exception as error:  # of any of the libraries that read it
        raise UserError(f"{path}: cannot be loaded ({words_of(error)}); {_AGAIN}") from error
    if ensemble.structures != settings.labels:
        raise UserError(
            f"{path}: its networks segment {', '.join(ensemble.structures)}, its {NAME} has "
            f"{', '.join(settings.labels)}; {_AGAIN}"
        )
    return Model(contents.round, settings, ensemble, contents.fine_grid, contents.volumes_mm3, contents.target)


def _copied(source: Any, target: BinaryIO) -> str:
    total = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        total.update(chunk)
        target.write(chunk)
    return total.hexdigest()


def _check(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise UserError(f"{what}: damaged or changed (its SHA-256 is not that of {NAME}); {_AGAIN}")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(f"{path}: a damaged zip ({words_of(error)}); {_AGAIN}") from error


def as_json(content: Any) -> bytes:
    """JSON of a zip: the same bytes for the same content."""
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()
