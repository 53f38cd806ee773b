"""Presets: named differences to the shipped params.yaml, written into it with its comments, order and layout kept.

A preset is a YAML file that holds only the keys it changes, nested as in params.yaml; the comment at its top says what
it is for. `default.yaml` is the shipped params.yaml itself. A preset is always laid on those defaults, so that presets
do not add up, and `default` takes every change back. One that says `base: NAME` is laid on that preset, which has none.
"""

from __future__ import annotations

import copy
import difflib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import parse_yaml, read_yaml, text_of
from gbaseg.yaml_edit import edited

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


@dataclass(frozen=True)
class Overwritten:
    """What a params.yaml held that the preset written into it does not keep.

    Args:
        values: `key: old -> new` of every value that no preset had written.
        kept_as: the file as it was.
    """

    values: list[str]
    kept_as: Path

    def __str__(self) -> str:
        if not self.values:
            return f"the text could not stay; {self.kept_as} is the file as it was"
        title = f"{len(self.values)} value(s) set by hand were overwritten; {self.kept_as} is the file as it was:"
        return "\n".join([title, *(f"  {value}" for value in self.values)])


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


def apply_preset(
    name: str, folder: Path, params_path: Path, validate: Callable[[dict[str, Any]], object]
) -> Overwritten | None:
    """Write the defaults with a preset's changes into params.yaml.

    Only values are replaced, a list whole; every other character of params.yaml stays. Where that cannot be (the
    file is missing or no YAML, or its keys are not those of the defaults) the text of the defaults is taken instead.
    A file that loses values set by hand, or its text, is kept beside it.

    Args:
        name: file name of the preset without `.yaml`.
        folder: where the presets lie, `default.yaml` among them.
        params_path: the file to write; it is replaced whole or not at all.
        validate: raises UserError where the new content cannot be.

    Returns:
        What was lost, `None` where nothing was.

    Raises:
        UserError: no such preset, a key that the defaults do not have, or values that `validate` refuses.
    """
    default_file, preset_file = _file(DEFAULT, folder), _file(name, folder)
    defaults, (wanted, layers) = _load(default_file), _layers(name, folder)
    validate(wanted)

    default_text = text_of(default_file)
    text = _edited(default_text, layers)
    if _parse(text) != wanted:
        raise UserError(f"{preset_file}: cannot be written in the layout of {default_file}; allowed: plain YAML")
    overwritten = None
    if params_path.exists() and not params_path.is_file():
        raise UserError(f"{params_path}: no file; move it away")
    before = params_path.read_bytes() if params_path.is_file() else b""
    own = before.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    if own.strip():
        # What is not UTF-8 can be read for its values, but not kept.
        kept = _restored(own, default_text, defaults) if "\ufffd" not in own else None
        kept = None if kept is None else _edited(kept, layers)
        text_stays = kept is not None and _parse(kept) == wanted
        text = kept if kept is not None and text_stays else text
        values = _lost(_parse(own), wanted, defaults, folder)
        if values or not text_stays:
            overwritten = Overwritten(values, kept_beside(params_path))
    with written_whole(params_path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\r\n" if b"\r\n" in before else "\n")
    return overwritten


def preset_content(name: str, folder: Path) -> dict[str, Any]:
    """The defaults with a preset's changes, as `apply_preset` would write them.

    Raises:
        UserError: as `apply_preset`.
    """
    return _layers(name, folder)[0]


def _layers(name: str, folder: Path) -> tuple[dict[str, Any], list[tuple[Path, dict[Key, Any]]]]:
    """The defaults with all that is laid on them; and each layer's file, with what it changes of those below."""
    content, layers = _load(_file(DEFAULT, folder)), []
    files = {} if name == DEFAULT else {_file(name, folder): _load(_file(name, folder))}
    for own in [one for one in files.values() if BASE in one]:
        below = _file(str(own.pop(BASE)), folder)
        files = {below: _load(below), **files}
    for file, part in files.items():
        changes = _changes(part, content, file)
        content = laid_on(content, changes)
        layers.append((file, changes))
    return content, layers


def _edited(text: str, layers: list[tuple[Path, dict[Key, Any]]]) -> str:
    for file, changes in layers:
        text = edited(text, text_of(file), changes)
    return text


def _lost(content: object, wanted: dict[str, Any], defaults: dict[str, Any], folder: Path) -> list[str]:
    """`key: old -> new` of what was set by hand and is not wanted: not from the preset that the file is nearest to."""
    if not isinstance(content, dict):
        return []
    own, by_hand = dict(_values(content, defaults)), []
    for file in sorted(folder.glob("*.yaml")):
        try:
            preset = dict(_values(preset_content(file.stem, folder), defaults))
        except UserError:  # another preset's own fault is no business of this one
            continue
        by_hand.append([key for key, value in own.items() if key not in preset or not _same(value, preset[key])])
    lines = []
    for key in min(by_hand, key=len):
        new = _shown(wanted, key)
        if new != (old := _shown(content, key)):
            lines.append(f"{'.'.join(key)}: {old} -> {new}")
    return lines


def _values(content: dict[str, Any], defaults: object, above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """(key, value) of every value, sections as those of the defaults."""
    for name, value in content.items():
        key = (*above, str(name))
        default = defaults.get(name) if isinstance(defaults, dict) else None
        if _is_section(key, default) and _is_section(key, value):
            yield from _values(value, default, key)
        else:
            yield key, value


def _shown(content: Any, key: Key) -> str:
    """The value under a key as it would stand in a preset."""
    for name in key:
        if not isinstance(content, dict) or name not in content:
            return "no longer there"
        content = content[name]
    return json.dumps(content, ensure_ascii=False, default=str)


def kept_beside(file: Path) -> Path:
    """A copy beside the file, in the place of no older one."""
    names = (file.with_name(f"{file.name}.bak{number}") for number in ("", *range(2, 1000)))
    copy_of = next(name for name in names if not name.exists())
    shutil.copyfile(file, copy_of)
    return copy_of


def _restored(text: str, default_text: str, defaults: dict[str, Any]) -> str | None:
    """A params.yaml with every value back at its default; `None` where its keys are not those of the defaults."""
    content = _parse(text)
    if not isinstance(content, dict):
        return None
    try:
        differing = dict(_differences(content, defaults))
    except KeyError:
        return None
    return edited(text, default_text, differing)


def _differences(content: dict[str, Any], defaults: dict[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """(key, default) of every value that is not at its default.

    Raises:
        KeyError: a section has other keys than the defaults.
    """
    if content.keys() != defaults.keys():
        raise KeyError(".".join(above))
    for name, default in defaults.items():
        key = (*above, name)
        if _is_section(key, default) and _is_section(key, content[name]):
            yield from _differences(content[name], default, key)
        elif not _same(content[name], default):
            yield key, default


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
        if _is_section(key, defaults[name]) and isinstance(value, Mapping):
            changes |= _changes(dict(value), defaults[name], file, key)
        elif not _same(value, defaults[name]):
            changes[key] = value
    return changes


def _is_section(key: Key, value: object) -> bool:
    """A mapping into which a preset may reach. An empty one is a value like any other."""
    return isinstance(value, dict) and bool(value) and key not in NAMED_BY_USER


def _same(one: object, other: object) -> bool:
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
    lines = text_of(_file(name, folder)).splitlines()
    comment = [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    changes = {key: value for _, layer in _layers(name, folder)[1] for key, value in layer.items()}
    return Preset(name, "\n".join(comment), {".".join(key): value for key, value in changes.items()})


def _file(name: str, folder: Path) -> Path:
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UserError(f"{folder}: no preset {name!r}{hint} (there are: {', '.join(names) or 'none'})")
    return folder / f"{name}.yaml"


def _load(file: Path) -> dict[str, Any]:
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise UserError(f"{file}: expected keys of params.yaml, found {type(content).__name__}")
    return content


def _parse(text: str) -> object:
    """The content of a YAML text, `None` where it is none."""
    try:
        return parse_yaml(text, "")
    except UserError:
        return None
