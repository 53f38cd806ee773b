"""Writing a preset into params.yaml: its comments, order and layout stay, what is lost is said and kept beside."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.presets import DEFAULT, Key, file_of, is_section, layers, load, preset_content, same
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import parse_yaml, text_of
from gbaseg.yaml_edit import edited


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
    default_file, preset_file = file_of(DEFAULT, folder), file_of(name, folder)
    defaults, (wanted, laid) = load(default_file), layers(name, folder)
    validate(wanted)

    default_text = text_of(default_file)
    text = _edited(default_text, laid)
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
        kept = None if kept is None else _edited(kept, laid)
        text_stays = kept is not None and _parse(kept) == wanted
        text = kept if kept is not None and text_stays else text
        values = _lost(_parse(own), wanted, defaults, folder)
        if values or not text_stays:
            overwritten = Overwritten(values, kept_beside(params_path))
    with written_whole(params_path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\r\n" if b"\r\n" in before else "\n")
    return overwritten


def _edited(text: str, laid: list[tuple[Path, dict[Key, Any]]]) -> str:
    for file, changes in laid:
        text = edited(text, text_of(file), changes)
    return text


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
        if is_section(key, default) and is_section(key, content[name]):
            yield from _differences(content[name], default, key)
        elif not same(content[name], default):
            yield key, default


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
        by_hand.append([key for key, value in own.items() if key not in preset or not same(value, preset[key])])
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
        if is_section(key, default) and is_section(key, value):
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


def _parse(text: str) -> object:
    """The content of a YAML text, `None` where it is none."""
    try:
        return parse_yaml(text, "")
    except UserError:
        return None
