"""Presets: named differences to the shipped params.yaml, which `preset_writing` writes into it.

A preset is a YAML file that holds only the keys it changes, nested as in params.yaml; the comment at its top says what
it is for. `default.yaml` is the shipped params.yaml itself. A preset is always laid on those defaults, so that presets
do not add up, and `default` takes every change back. One that says `base: NAME` is laid on that preset, which has none.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.text_file import read_yaml, text_of

# Of a project; in a clone a link to those of the package, which come with a wheel too.
OWN, SHIPPED = Path("presets"), Path(__file__).with_name("shipped_presets")
# The shipped params.yaml, and a preset's key for the preset that it is laid on.
DEFAULT, BASE = "default", "base"
# Mappings whose keys are the user's own names: a preset gives them whole.
NAMED_BY_USER = frozenset({("dataset", "structures")})
Key = tuple[str, ...]


@dataclass(frozen=True)
class Preset:
    """A preset: what it is for, and what it changes, as `{"dataset.root": value}`."""

    name: str
    description: str
    changes: dict[str, Any]


def preset_folder() -> Path:
    """`presets` of this folder where there is one, else what is shipped in the package."""
    return OWN if OWN.is_dir() else SHIPPED


def list_presets(folder: Path) -> list[Preset]:
    """The presets of a folder, `default` first.

    Raises:
        UserError: no `default.yaml` there, a file that is no YAML, or a key that the defaults do not have.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    return [_preset(name, folder) for name in sorted(names, key=lambda name: name != DEFAULT)]


def describe(presets: list[Preset]) -> str:
    """The presets as text: name, description, and a line a change."""
    blocks = []
    for preset in presets:
        changes = [f"    {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in preset.changes.items()]
        blocks.append("\n".join([preset.name, *(f"  {line}" for line in preset.description.splitlines()), *changes]))
    return "\n\n".join(blocks)


def preset_content(name: str, folder: Path) -> dict[str, Any]:
    """The defaults with a preset's changes, as `preset_writing.apply_preset` would write them.

    Raises:
        UserError: as `preset_writing.apply_preset`.
    """
    return layers(name, folder)[0]


def layers(name: str, folder: Path) -> tuple[dict[str, Any], list[tuple[Path, dict[Key, Any]]]]:
    """The defaults with all that is laid on them; and each layer's file, with what it changes of those below."""
    content, found = load(file_of(DEFAULT, folder)), []
    files = {} if name == DEFAULT else {file_of(name, folder): load(file_of(name, folder))}
    for own in [one for one in files.values() if BASE in one]:
        below = file_of(str(own.pop(BASE)), folder)
        files = {below: load(below), **files}
    for file, part in files.items():
        changes = _changes(part, content, file)
        content = laid_on(content, changes)
        found.append((file, changes))
    return content, found


def _changes(preset: dict[str, Any], defaults: dict[str, Any], file: Path, above: Key = ()) -> dict[Key, Any]:
    """The values of a preset that differ from the defaults, by key.

    Raises:
        UserError: a key that the defaults do not have.
    """
    changes: dict[Key, Any] = {}
    for name, value in preset.items():
        key = (*above, str(name))
        if name not in defaults:
            close = difflib.get_close_matches(str(name), list(defaults), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UserError(f"{file}: {'.'.join(key)}: no such key{hint} (allowed here: {', '.join(defaults)})")
        if is_section(key, defaults[name]) and isinstance(value, Mapping):
            changes |= _changes(dict(value), defaults[name], file, key)
        elif not same(value, defaults[name]):
            changes[key] = value
    return changes


def is_section(key: Key, value: object) -> bool:
    """A mapping into which a preset may reach. An empty one is a value like any other."""
    return isinstance(value, dict) and bool(value) and key not in NAMED_BY_USER


def same(one: object, other: object) -> bool:
    """Equal, and of the same types: in Python `1 == True == 1.0`."""
    return json.dumps(one, default=str) == json.dumps(other, default=str)


def laid_on(defaults: dict[str, Any], changes: Mapping[Key, Any]) -> dict[str, Any]:
    """A copy of the defaults with the values under some keys in the place of theirs."""
    laid = copy.deepcopy(defaults)
    for key, value in changes.items():
        section = laid
        for name in key[:-1]:
            section = section[name]
        section[key[-1]] = value
    return laid


def _preset(name: str, folder: Path) -> Preset:
    lines = text_of(file_of(name, folder)).splitlines()
    comment = [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    changes = {key: value for _, layer in layers(name, folder)[1] for key, value in layer.items()}
    return Preset(name, "\n".join(comment), {".".join(key): value for key, value in changes.items()})


def file_of(name: str, folder: Path) -> Path:
    """The file of a preset.

    Raises:
        UserError: there is none of that name.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UserError(f"{folder}: no preset {name!r}{hint} (there are: {', '.join(names) or 'none'})")
    return folder / f"{name}.yaml"


def load(file: Path) -> dict[str, Any]:
    """What stands in a preset's file.

    Raises:
        UserError: it is no YAML, or has no keys.
    """
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise UserError(f"{file}: expected keys of params.yaml, found {type(content).__name__}")
    return content
