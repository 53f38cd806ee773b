"""Markers: small files that say "this is done", with what they vouch for: size and hash of every file.

A marker that is torn, or whose files are not as they were, says nothing: the work is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gbaseg.runtime.leftovers import beside
from gbaseg.runtime.progress import log


def write_marker(
    path: Path, files: Iterable[Path], content: Any = None, sized: Callable[[Path], bool] = lambda _: False
) -> None:
    """Say that `files` are done.

    Args:
        path: of the marker; it appears whole or not at all.
        files: what it vouches for; folders stand for all files in them.
        content: JSON, handed back by `read_marker`.
        sized: of which files the size is enough, since another marker has their hash.
    """
    listed = [file for one in files for file in ([one] if one.is_file() else one.rglob("*")) if file.is_file()]
    vouched = {
        os.path.relpath(file, path.parent): [file.stat().st_size, "" if sized(file) else _digest(file)]
        for file in listed
    }
    body = json.dumps({"files": vouched, "content": content}, sort_keys=True)
    partial = beside(path)
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps({"digest": _digest(body.encode()), "body": body}))
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def read_marker(path: Path) -> dict[str, Any] | None:
    """What a marker says: `files` (relative to its folder) and `content`; None where it is not to be relied on."""
    if not path.is_file():
        return None
    try:
        written = json.loads(path.read_bytes())
        intact = written["digest"] == _digest(written["body"].encode())
        found: dict[str, Any] = json.loads(written["body"]) if intact else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        found = {}
    if not found:
        log(f"{path}: torn; what it stood for is made again")
        return None
    for name, (size, digest) in found["files"].items():
        file = path.parent / name
        if not file.is_file() or file.stat().st_size != size or (digest and _digest(file) != digest):
            log(f"{file}: missing or changed since it was made; it is made again")
            return None
    return found


def _digest(what: Path | bytes) -> str:
    if isinstance(what, bytes):
        return hashlib.blake2b(what, digest_size=16).hexdigest()
    with what.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
