"""The one door through which text that people write comes in: params.yaml, recipes.yaml, presets, cases.csv."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError


def text_of(path: Path) -> str:
    """The text of a file, lines ended by a line feed; a byte order mark, with which Windows begins UTF-8, is left out.

    Raises:
        UserError: no such file, a folder, no permission, or another encoding than UTF-8 (with the line).
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: a folder; allowed: a file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Of the byte itself: with a byte order mark, `error.start` counts without it.
        start = error.start + len(content) - len(error.object)
        line = content.count(b"\n", 0, start) + 1
        raise UserError(
            f"{path}: line {line}: byte 0x{content[start]:02x} is not UTF-8; allowed: UTF-8 (save it as that in your "
            "editor; Excel: save as CSV UTF-8)"
        ) from error
    return text.replace("\r\n", "\n")


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log; empty where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 16384))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: as `text_of`; or it is no YAML, or has a key twice: with line and column.
    """
    return parse_yaml(text_of(path), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """The content of a YAML text that came from `name`.

    Raises:
        UserError: it is no YAML, with line and column.
    """
    from ruamel.yaml.error import YAMLError

    try:
        return copy.deepcopy(_parsed(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{name} is not valid YAML{_place_of(error)}: {_words_of(error, text)}") from error


# params.yaml and the presets are asked for more than once by a command, and take 20 to 50 ms each.
@lru_cache(maxsize=16)
def _parsed(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(text)  # libyaml's parser, where it is there: a fifth of the time
    except (YAMLError, ValueError):
        return YAML(typ="safe", pure=True).load(text)  # says better what is wrong


def _place_of(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"


def _words_of(error: Exception, text: str) -> str:
    """What is wrong on one line, without ruamel's advice to programmers."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if mark is not None and "\t" in text.split("\n")[mark.line][: mark.column + 1]:
        return "a tab; allowed: spaces"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return " ".join((problem or str(error)).split())
