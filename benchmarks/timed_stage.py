"""`gbaseg` with a watch, for `stage_overhead.py`: what a stage's process does beside its work, as JSON in a folder.

Only this process is timed; what its workers import counts as their start as far as it is waited for.
"""

import builtins
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

FOLDER = "GBASEG_TIMES"
_spent: dict[str, float] = {}
_under_way: list[str] = []


def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose time is counted for `part`, inside others' parts for nothing but the outermost."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if _under_way:
            return function(*args, **kwargs)
        _under_way.append(part)
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            _under_way.pop()
            _spent[part] = _spent.get(part, 0.0) + time.perf_counter() - started

    return call


def watch() -> None:
    """Put the watch on the parts. Before stages are imported, which take these functions by name."""
    from gbaseg.runtime import engine, fork_server, scratch
    from gbaseg.workflow import context

    builtins.__import__ = timed("imports", builtins.__import__)
    context.check_room = timed("preflight", context.check_room)
    context.fingerprint = timed("inputs", scratch.fingerprint)
    context.release = timed("inputs", context.release)
    context.check_fits = timed("outputs", context.check_fits)
    context.keep = timed("outputs", context.keep)
    scratch.replace = timed("outputs", scratch.replace)
    engine.local.forked_workers = _first_worker(fork_server.forked_workers)


def _first_worker(make: Callable[..., Any]) -> Callable[..., Any]:
    """Where workers come from, when the first of them is there: what the pool would wait for."""

    def wait(*args: Any) -> Any:
        context = make(*args)
        process = context.Process(target=int)
        process.start()
        process.join()
        return context

    return timed("workers", wait)


def main() -> None:
    started = psutil.Process().create_time()
    from gbaseg.cli import main as gbaseg

    _spent["start"] = time.time() - started
    watch()
    try:
        gbaseg.main()  # in this process, and in no fork of another
    finally:
        total, times = time.time() - started, os.times()
        cpu = times.user + times.system + times.children_user + times.children_system
        content = {"command": sys.argv[1:], "total": total, "cpu": cpu, **_spent}
        name = "_".join(sys.argv[1:3]) or "gbaseg"
        (Path(os.environ[FOLDER]) / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
