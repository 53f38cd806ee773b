"""Experiments side by side: each in a clone of its own under .scratch, with this folder's DVC cache and store.

What several experiments share is made by one of them while the others do something else, and handed on by what its
dvc.lock says of it.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, cast

from gbaseg.commands.dvc_commands import noted_beside
from gbaseg.commands.experiment_clone import (
    ENDING_S,
    Entries,
    Files,
    bring_here,
    entries_of,
    files_here,
    hand_on,
    make_clone,
)
from gbaseg.commands.in_turn import Group, in_turn, shared_stages
from gbaseg.commands.planned import Experiment
from gbaseg.errors import UserError
from gbaseg.runtime.durations import took
from gbaseg.runtime.engine import WORKERS
from gbaseg.runtime.family import hears_of_parent
from gbaseg.runtime.locks import locked
from gbaseg.runtime.place import ENGINE, FILE
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import ROOT
from gbaseg.runtime.stage_client import SHARED_BY, start_for_all
from gbaseg.text_file import tail
from gbaseg.workflow.itinerary import commands

FOLDER = ROOT / "experiments"
_DVC = (sys.executable, "-m", "gbaseg.commands.dvc_commands")
_CHECKOUT: tuple[str, ...] = ("checkout", "--quiet", "--allow-missing")
_LOOK_S = 0.1


@dataclass
class _Under:
    """An experiment under way.

    Args:
        one: the experiment.
        here: this folder's files, which it starts from.
        groups: that it may have to make, in their order, before it is run as a whole.
        making: of these the one that its process makes; None: that runs the whole experiment.
        before: commands of its process that end with that group.
        process: at work; None: it waits for room, or for a group that another makes.
        whole: the process ends with the experiment as a whole.
        checked_out: what DVC's cache has of it is there.
    """

    one: Experiment
    here: Files
    groups: list[Group]
    making: Group | None = None
    before: int = 0
    process: subprocess.Popen[bytes] | None = None
    whole: bool = False
    checked_out: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def clone(self) -> Path:
        """Where it runs: another folder for other files, or other settings."""
        key = hashlib.blake2b(repr((*self.here, self.one.overrides)).encode(), digest_size=4).hexdigest()
        return FOLDER / f"{self.one.name}-{key}"

    @property
    def log(self) -> Path:
        """What its commands say."""
        return self.clone.with_name(f"{self.clone.name}.log")

    @property
    def says(self) -> Path:
        """A byte for each command of its process that is done."""
        return self.clone.with_name(f"{self.clone.name}.done")

    @property
    def noted(self) -> Path:
        """Its dvc.lock as the last of these commands has left it."""
        return noted_beside(self.says)

    def has_made(self) -> bool:
        """Whether the group is there; its process may have gone on to the experiment as a whole."""
        return self.making is not None and self.says.is_file() and self.says.stat().st_size >= self.before


def run_side_by_side(todo: Sequence[Experiment], settings: Mapping[str, Mapping[str, Any]], at_once: int) -> None:
    """Run experiments, so many at a time. They end as experiments of this folder, whose files stay as they are.

    Args:
        todo: those that are left to run; see `in_turn`.
        settings: name -> its params.yaml.
        at_once: how many commands run at a time.

    Raises:
        UserError: some fail, with the ends of their logs; the others are run all the same. The same command goes on.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with locked(FOLDER.with_name(f"{FOLDER.name}.lock"), f"experiments in {FOLDER}"):
        shares = shared_stages({one.name: settings[one.name] for one in todo})
        environment = _environment(at_once)
        if todo:
            _start_server(settings[todo[0].name], environment)
        here = files_here()
        left = [_Under(one, here, shares[one.name]) for one in in_turn(todo, settings, shares)]
        failed: list[_Under] = []
        made: dict[Group, Entries] = {}
        try:
            while left:
                _begin(left, made, at_once, environment)
                time.sleep(_LOOK_S)
                ended = [one for one in left if one.process is not None and one.process.poll() is not None]
                # Looked at afterwards: a process that has ended has said all.
                for under in [one for one in left if one.has_made()]:
                    group = cast("Group", under.making)
                    made[group] = entries_of(under.noted, group[1])
                    under.making = None
                for under in ended:
                    assert under.process is not None
                    status, under.process = under.process.returncode, None
                    if status == 0 and not under.whole:
                        continue
                    left.remove(under)
                    spent = took(time.monotonic() - under.began)
                    if status:
                        failed.append(under)
                        log(f"{under.one.name}: failed after {spent}; {under.log}")
                    else:
                        bring_here(under.one.name, under.clone)
                        for path in (under.log, under.says, under.noted):
                            path.unlink(missing_ok=True)
                        log(f"{under.one.name}: done in {spent}")
        finally:
            _end([under.process for under in left if under.process is not None])
    if failed:
        ends = [f"{under.one.name} failed ({under.log}):\n{tail(under.log)}" for under in failed]
        raise UserError("\n".join([*ends, "mend it and say this command again: what is done is not done again"]))


def _begin(left: Sequence[_Under], made: Mapping[Group, Entries], at_once: int, environment: Mapping[str, str]) -> None:
    """Begin what may begin, as long as there is room: a group is made by one experiment at a time, and once."""
    for under in left:
        busy = [other for other in left if other.process is not None]
        if len(busy) >= at_once:
            return
        there = [group for group in under.groups if group in made]
        groups = [group for group in under.groups if group not in made]
        if under.process is not None or (groups and groups[0] in [other.making for other in busy]):
            continue
        under.groups, under.making = groups, groups[0] if groups else None
        if not under.checked_out:
            make_clone(under.clone, under.here, under.one.overrides)
            hand_on({name: entry for group in there for name, entry in made[group].items()}, under.clone)
        said = [] if under.checked_out else [_CHECKOUT]
        if under.making is not None:
            said.append(("repro", *under.making[1]))
        under.before, under.whole = len(said), len(under.groups) < 2
        if under.whole:
            said.append(_run(under.one))
        under.says.unlink(missing_ok=True)
        if not under.log.exists():
            log(f"{under.one.name}: begun; its words: {under.log}")
        with under.log.open("ab") as stream:
            # Ctrl-C goes to this process alone, which tells it and its stage; killed, it takes dvc with it.
            under.process = subprocess.Popen(
                [*_DVC, str(under.says.absolute()), *(" ".join(map(quote, command)) for command in said)],
                cwd=under.clone,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                process_group=0,
                # The one other thread here tells the lock's time, and holds nothing.
                preexec_fn=partial(hears_of_parent, os.getpid(), signal.SIGTERM),  # noqa: PLW1509
            )
        under.checked_out = True


def _run(one: Experiment) -> tuple[str, ...]:
    options = [part for override in one.overrides for part in ("-S", override)]
    return ("exp", "run", "--name", one.name, *options)


def _environment(at_once: int) -> dict[str, str]:
    """Each experiment has its part of the cores, and this folder's engine; all of them have one server of stages."""
    part = str(max(1, len(os.sched_getaffinity(0)) // at_once))
    found = {**os.environ, WORKERS: os.environ.get(WORKERS, part)}
    found[SHARED_BY] = str(os.getpid())
    found["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", part)
    asked = Path(os.environ.get(ENGINE) or FILE)
    if asked.is_file():
        found[ENGINE] = str(asked.absolute())
    return found


def _start_server(settings: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Of the stages of all experiments, where these are gbaseg's: it imports while the first clones are made."""
    program, command, *_ = [*commands(settings)[0].split(), ""]
    if program == "gbaseg":
        start_for_all(command, environment)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask commands to end, as Ctrl-C would, and wait until their stages have written checkpoints."""
    for process in processes:
        os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + ENDING_S
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
