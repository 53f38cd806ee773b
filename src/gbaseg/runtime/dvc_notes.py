"""DVC's notes of which commands read and write a stage's files (.dvc/tmp/rwlock), where such a command was killed.

DVC drops notes of processes that are gone. It takes a zombie for a process, and so one that has the number of an ended
one by now: both are the rule in containers, whose first process may reap nobody and whose numbers begin anew.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gbaseg.runtime.progress import log

# The system's clock is set while commands run; a number is not another's within this.
_CLOCK_S = 2.0


def at_work(notes: Path) -> dict[int, str]:
    """Process -> command of those that are noted and alive.

    Raises:
        ValueError: the file is not what DVC writes.
    """
    try:
        written = notes.stat().st_mtime
        content = json.loads(notes.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {int(info["pid"]): str(info["cmd"]) for info in _infos(content) if _lives(int(info["pid"]), written)}


def mend(folder: Path, hardlink: bool = False, wait_s: float = 0.0) -> None:
    """Remove torn notes, and those of commands that have ended.

    Args:
        folder: DVC's for what passes (.dvc/tmp).
        hardlink: how DVC guards its notes (core.hardlink_lock).
        wait_s: how long commands that are noted may go on: they have been asked to end.
    """
    from dvc.lock import make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK

    notes = folder / RWLOCK_FILE
    if not notes.is_file():
        return
    deadline = time.monotonic() + wait_s
    while True:
        with make_lock(str(folder / RWLOCK_LOCK), tmp_dir=str(folder), hardlink_lock=hardlink):
            try:
                alive = at_work(notes)
            except ValueError:
                log(f"{os.path.relpath(notes)}: torn, as of a killed DVC command; removed")
                alive = {}
            if not alive:
                notes.unlink(missing_ok=True)
                return
        if time.monotonic() >= deadline:
            return  # DVC says which it waits for
        time.sleep(0.1)


def _infos(content: Any) -> list[Mapping[str, Any]]:
    try:
        writers: Iterable[Mapping[str, Any]] = content.get("write", {}).values()
        readers: Iterable[Iterable[Mapping[str, Any]]] = content.get("read", {}).values()
        infos = [info for info in (*writers, *(info for group in readers for info in group)) if info]
        for info in infos:
            int(info["pid"]), str(info["cmd"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not in DVC's form") from error
    return infos


def _lives(pid: int, noted: float) -> bool:
    """Whether a process is there, is no zombie, and was there when its number was noted (Unix time)."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() < noted + _CLOCK_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
