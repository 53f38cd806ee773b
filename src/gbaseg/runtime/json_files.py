"""JSON that somebody wrote before: read with a word on what is wrong with it and what brings it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError

_REMEDY = "`dvc repro` makes it anew; `dvc checkout` or `git checkout` brings back what was saved"


def parse_json(
    text: str | bytes, where: str | Path, keys: tuple[str, ...] = (), kind: type[dict] | type[list] = dict
) -> Any:
    """Content of a JSON text.

    Args:
        text: the file's.
        where: the file, for messages.
        keys: those that have to be there.
        kind: what it has to be, `dict` or `list`.

    Raises:
        UserError: it is empty, broken off, not UTF-8, something else than `kind`, or without some of `keys`.
    """
    try:
        content: Any = json.loads(text)
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not text in UTF-8; {_REMEDY}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        found = "not JSON" if not isinstance(error, json.JSONDecodeError) else f"no whole JSON: line {error.lineno}"
        raise UserError(f"{where}: {found if text.strip() else 'empty'}; {_REMEDY}") from error
    if not isinstance(content, kind):
        wanted = "a list" if kind is list else "an object"
        raise UserError(f"{where}: found {type(content).__name__}; {wanted} is wanted; {_REMEDY}")
    missing = [key for key in keys if key not in content]
    if missing:
        raise UserError(f"{where}: no {', '.join(missing)} in it; {_REMEDY}")
    return content


def read_json(path: Path, *keys: str, kind: type[dict] | type[list] = dict) -> Any:
    """Content of a JSON file.

    Raises:
        UserError: as `parse_json`, or there is no such file.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: not there; {_REMEDY}") from error
    return parse_json(text, path, keys, kind)
