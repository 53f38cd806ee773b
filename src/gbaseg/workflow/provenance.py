"""Whose results are these? What dvc.lock says of them, against the parameters and outputs that are here now.

metrics/*.json and dvc.lock come with git: those of another data set, or of the demonstration, lie here before this
run has written its own. DVC's own answer (`dvc status`) hashes all data and takes seconds; this one reads small files.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gbaseg.errors import UserError
from gbaseg.git import GitRefuses, git
from gbaseg.params import PATH
from gbaseg.text_file import read_yaml
from gbaseg.workflow.itinerary import PIPELINE, items_of
from gbaseg.workflow.layout import LOCK

_CAME_WITH_GIT = "as it came with git; not made here"
_ABSENT = object()


def strangers(paths: Iterable[Path]) -> dict[Path, str]:
    """Path -> why it is not of this run, of those that are there and are not.

    A file is another run's where dvc.lock tells how it was made, and that was with other parameters than params.yaml
    and recipes.yaml have now, or from other outputs than the stages before have written since. What dvc.lock does not
    know (it is missing, or has no such stage) came with git where it is as the last commit has it. All else (other
    bytes than dvc.lock or git name) was made by hand here, and is taken for this run's.

    Args:
        paths: outputs of the pipeline, relative to this folder.

    Raises:
        UserError: dvc.lock is no YAML: after a merge, mostly.
    """
    lock = _Lock()
    reasons = {path: lock.reason_against(path) for path in paths if path.exists()}
    return {path: reason for path, reason in reasons.items() if reason}


def refuse_strangers(paths: Iterable[Path]) -> None:
    """Check that outputs are of this run.

    Raises:
        UserError: names those that are not, and why.
    """
    if found := strangers(paths):
        raise UserError(described(found))


def described(found: Mapping[Path, str]) -> str:
    """The paths that are of another run, by reason, and what to do."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in found.items():
        by_reason.setdefault(reason, []).append(str(path))
    parts = [f"{', '.join(names)} ({reason})" for reason, names in by_reason.items()]
    return f"of another run: {'; '.join(parts)}; `dvc repro` makes this one's"


class _Lock:
    """dvc.lock, and what is asked of it. One that is missing tells of no stage."""

    def __init__(self) -> None:
        content = read_yaml(LOCK) if LOCK.is_file() else {"stages": {}}
        stages = content.get("stages") if isinstance(content, dict) else None
        if not isinstance(stages, dict):
            raise UserError(f"{LOCK}: no stages; `git checkout {LOCK}` brings back the last one that was committed")
        # DVC keeps what it knew of a stage that is no longer there; its outputs may be another's by now.
        there = read_yaml(PIPELINE).get("stages") if PIPELINE.is_file() else None
        if isinstance(there, dict):
            stages = {name: stage for name, stage in stages.items() if _is_there(name, there)}
        self.stages: dict[str, dict[str, Any]] = stages
        self._known: dict[str, str] = {}
        self._files: dict[str, Any] = {}

    @cached_property
    def writers(self) -> dict[Path, tuple[str, dict[str, Any]]]:
        """Output -> its stage and what is noted of it."""
        return {Path(out["path"]): (name, out) for name, stage in self.stages.items() for out in stage.get("outs", [])}

    def reason_against(self, path: Path) -> str:
        """Why an output is not of this run; empty where it is, or nothing is known of it."""
        name, out = self.writers.get(path, ("", {}))
        if not name:
            return _CAME_WITH_GIT if _as_committed(path) else ""
        by_hand = path.is_file() and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != out.get("md5")
        return "" if by_hand else self._reason(name)

    def _reason(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = ""  # what comes back to itself says nothing new
            self._known[name] = self._parameters(name) or self._inputs(name)
        return self._known[name]

    def _parameters(self, name: str) -> str:
        for file, recorded in self.stages[name].get("params", {}).items():
            if not Path(file).is_file():  # says nothing: recipes.yaml may be missing
                continue
            for key, then in recorded.items():
                now = self._value(file, key)
                if now != then:
                    return _difference(file, key, then, now)
        return ""

    def _inputs(self, name: str) -> str:
        for dependency in self.stages[name].get("deps", []):
            path = Path(dependency["path"])
            for output, (writer, out) in self.writers.items():
                if not (output.is_relative_to(path) or path.is_relative_to(output)):
                    continue
                if reason := self._reason(writer):
                    return reason
                if output == path and {"md5"} <= out.keys() & dependency.keys() and out["md5"] != dependency["md5"]:
                    return f"made from another {path}"
        return ""

    def _value(self, file: str, key: str) -> Any:
        if file not in self._files:
            self._files[file] = read_yaml(Path(file))
        value = self._files[file]
        for part in key.split("."):
            value = value.get(part, _ABSENT) if isinstance(value, dict) else _ABSENT
        return value


def _is_there(name: str, stages: Mapping[str, Any]) -> bool:
    """Whether a stage of dvc.lock is one of dvc.yaml's: with fewer rounds than there were, not all of them are."""
    base, _, item = name.partition("@")
    if base not in stages or not PATH.is_file():
        return base in stages
    number = re.search(r"\d+$", item)
    try:
        return number is None or int(number[0]) < len(items_of(stages[base], read_yaml(PATH)))
    except (LookupError, TypeError, AttributeError, ValueError):
        return True  # somebody's own


def _as_committed(path: Path) -> bool:
    """Whether a file is as git's last commit has it; no where git knows nothing of it, or there is no git."""
    if not path.is_file():
        return False
    try:
        return git("hash-object", "--", str(path)) == git("rev-parse", "--verify", f"HEAD:./{path.as_posix()}")
    except GitRefuses:
        return False


def _difference(file: str, key: str, then: Any, now: Any) -> str:
    """`params.yaml: dataset.root was A, is B`: the first thing in which two values differ."""
    while isinstance(then, dict) and isinstance(now, dict):
        part = next(part for part in [*then, *now] if then.get(part, _ABSENT) != now.get(part, _ABSENT))
        key, then, now = f"{key}.{part}", then.get(part, _ABSENT), now.get(part, _ABSENT)
    was, is_now = ("not there" if one is _ABSENT else json.dumps(one, default=str) for one in (then, now))
    return f"{file}: {key} was {was}, is {is_now}"
