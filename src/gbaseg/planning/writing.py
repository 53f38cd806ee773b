"""What is written: params.yaml with reasons as comments, cases.csv, links to scans; and whose the files there are."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gbaseg.cases import TABLE, Case, table_text
from gbaseg.errors import UserError
from gbaseg.planning.facts import Choice
from gbaseg.presets import DEFAULT, Key, laid_on, list_presets, preset_content
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import parse_yaml, text_of
from gbaseg.yaml_edit import commented, edited

Owner = Literal["nobody", "plan", "preset", "user"]
# In the data set's folder: the hash of the table that was written there, and of the plan's that it took the place of.
NOTE = ".planned.json"
# Put into a folder by whoever has looked at it.
_OF_SYSTEMS = {".DS_Store", "Thumbs.db", "desktop.ini"}
_TITLE = """# Written by `gbaseg plan`: what it chose has its reason behind it, all else is as in the demonstration.
# The page about it: logs/plan.txt. Change what you like; the next plan then asks before it writes here.
"""
_STAMP = re.compile(r"^# plan ([0-9a-f]{16})\n", re.MULTILINE)
# Strings that YAML reads as they stand.
_PLAIN = re.compile(r"[A-Za-z/][\w./-]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def key_of(dotted: str) -> Key:
    """`dataset.root` as a path of keys."""
    return tuple(dotted.split("."))


def content_of(choices: Mapping[str, Choice], presets: Path) -> dict[str, Any]:
    """The content of params.yaml: the shipped one with what was chosen."""
    return laid_on(preset_content(DEFAULT, presets), {key_of(key): one.value for key, one in choices.items()})


def params_text(choices: Mapping[str, Choice], presets: Path) -> str:
    """The text of params.yaml: the shipped one's, with values and reasons in their places.

    Raises:
        UserError: a value cannot be written in its place.
    """
    wanted = content_of(choices, presets)
    shipped = preset_content(DEFAULT, presets)
    text = text_of(presets / f"{DEFAULT}.yaml")
    changed = [key for key in map(key_of, choices) if value_at(wanted, key) != value_at(shipped, key)]
    text = edited(text, _as_yaml({key: value_at(wanted, key) for key in changed}), changed)
    text = commented(text, {key_of(key): " ".join(one.reason.split()) for key, one in choices.items()})
    # The shipped file's own title is about the demonstration.
    body = re.sub(r"\A(#[^\n]*\n)+", "", text)
    if parse_yaml(body, "") != wanted:
        raise UserError(
            f"{presets / DEFAULT}.yaml: the plan cannot be written in its layout; allowed: as it is shipped"
        )
    return f"{_TITLE}# plan {_hash(body)}\n{body}"


def value_at(content: Any, key: Key) -> Any:
    """The value under a path of keys."""
    for name in key:
        content = content[name]
    return content


def _as_yaml(values: Mapping[Key, Any]) -> str:
    """A document of some values, lists of mappings as blocks."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        section = nested
        for name in key[:-1]:
            section = section.setdefault(name, {})
        section[key[-1]] = _Leaf(value)
    return "".join(_lines(nested, ""))


class _Leaf:
    """A value, in the place of a section."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _lines(content: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for name, value in content.items():
        if not isinstance(value, _Leaf):
            lines += [f"{indent}{name}:\n", *_lines(value, f"{indent}  ")]
        elif isinstance(value.value, list) and value.value and isinstance(value.value[0], Mapping):
            lines += [f"{indent}{name}:\n", *(f"{indent}  - {_flow(item)}\n" for item in value.value)]
        else:
            lines.append(f"{indent}{name}: {_flow(value.value)}\n")
    return lines


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def owner_of_params(path: Path, presets: Path) -> Owner:
    """Whose params.yaml is: a plan's or a preset's with nothing changed in it, or the user's."""
    if not path.exists():
        return "nobody"
    try:
        text = text_of(path)
        if is_planned(text):
            return "plan"
        content = parse_yaml(text, "")
    except UserError:
        return "user"
    shipped = any(preset_content(preset.name, presets) == content for preset in list_presets(presets))
    return "preset" if shipped else "user"


def is_planned(text: str) -> bool:
    """Whether a params.yaml is as a plan wrote it, to the letter."""
    return bool(stamp_of(text))


def stamp_of(text: str) -> str:
    """What a plan has stamped a params.yaml with, and its page; empty where the file has been changed since."""
    match = _STAMP.search(text)
    return match[1] if match is not None and match[1] == _hash(text[match.end() :]) else ""


def owner_of_table(root: Path) -> Owner:
    """Whose the cases.csv of a data set's folder is."""
    table = root / TABLE
    if not table.exists():
        return "nobody"
    try:
        noted = json.loads(text_of(root / NOTE))
        return "plan" if _hash(text_of(table)) in noted.values() else "user"
    except (UserError, ValueError, AttributeError):
        return "user"


def is_free(root: Path) -> bool:
    """Whether links may be put into a folder, and removed from it: it is a plan's, or there is nothing in it yet."""
    if not os.path.lexists(root):
        return True
    return root.is_dir() and ((root / NOTE).is_file() or {path.name for path in root.iterdir()} <= _OF_SYSTEMS)


def in_the_way(root: Path, files: Mapping[str, Path]) -> list[Path]:
    """What is no link in a plan's folder, where it would put one."""
    return [path for path in (root / inside for inside in files) if path.exists() and not path.is_symlink()]


def write_data_set(root: Path, cases: Sequence[Case], files: Mapping[str, Path]) -> None:
    """Links to the scans, then the table, then the note that it is a plan's. Links of an earlier plan go.

    Raises:
        UserError: the folder cannot be written to.
    """
    text = table_text(cases)
    note = {TABLE: _hash(text)}
    if owner_of_table(root) == "plan":
        note["before"] = _hash(text_of(root / TABLE))
    try:
        root.mkdir(parents=True, exist_ok=True)
        # First: a plan that is broken off can be made again, over the table of the one before as well.
        write_whole(root / NOTE, json.dumps(note) + "\n")
        links = {root / inside: file.resolve() for inside, file in files.items()}
        for folder in sorted({link.parent for link in links}):
            folder.mkdir(parents=True, exist_ok=True)
        for old in root.glob("*/*"):
            if old.is_symlink() and old not in links:
                old.unlink()
        for link, file in links.items():
            if link.is_symlink():
                if link.readlink() == file:
                    continue
                link.unlink()
            link.symlink_to(file)
        write_whole(root / TABLE, text)
    except OSError as error:
        raise UserError(f"{root}: cannot be written to ({error.strerror}); --root names another folder") from error


def write_whole(path: Path, text: str) -> None:
    """A text file that appears whole or not at all."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=8).hexdigest()
