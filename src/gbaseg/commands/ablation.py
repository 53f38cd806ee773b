"""ablation: the paper's comparisons as DVC experiments, by one command; what is done is not done again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbaseg import params
from gbaseg.commands.comparable import differences
from gbaseg.commands.experiments import experiments_of_this_commit, queued_experiments
from gbaseg.commands.kept_params import kept_params, put_back
from gbaseg.commands.overrides import check_further, settings_with
from gbaseg.commands.planned import Experiment, with_extra
from gbaseg.commands.revisions import open_revision
from gbaseg.errors import UserError
from gbaseg.runtime import dvc_notes
from gbaseg.runtime.progress import log
from gbaseg.text_file import parse_yaml
from gbaseg.workflow import layout
from gbaseg.workflow.roots import check_root


@dataclass(frozen=True)
class Standing:
    """Where experiments stand.

    Args:
        planned: all of them, in the order in which they are run.
        settings: name -> the params.yaml that it has, or is to have.
        done: names of those that the present commit has.
        waiting: names of those in DVC's queue.
    """

    planned: Sequence[Experiment]
    settings: Mapping[str, Mapping[str, Any]]
    done: Set[str]
    waiting: Set[str]

    @property
    def todo(self) -> list[Experiment]:
        """Those that nobody has run or queued."""
        return [one for one in self.planned if one.name not in self.done | self.waiting]


def run(planned: Sequence[Experiment], extra: Sequence[str], now: bool, at_once: int = 1) -> None:
    """Queue the experiments that the present commit does not have yet, or run them here one after the other.

    Args:
        planned: as `plan_arms` or `plan_translations` gives them; of one seed (or arm) after the other, so that DVC's
            run cache hands the stages that they share on.
        extra: `KEY=VALUE`, set in each of them.
        now: run in this folder instead of queueing. params.yaml is put back; the outputs are the last experiment's.
        at_once: with `now`, so many at a time, in clones of this folder.

    Raises:
        UserError: settings that params.yaml does not allow, an experiment of this name with other settings (nothing is
            begun then), or one that fails; those before it stay done.
    """
    carry_out(stand(planned, extra, queued=not now or at_once > 1), now, at_once)


def stand(planned: Sequence[Experiment], extra: Sequence[str], queued: bool) -> Standing:
    """What is done of the experiments, and whether the others can be run.

    Args:
        planned, extra: as of `run`.
        queued: they are to be run in copies of this folder.

    Raises:
        UserError: as `run`, but of one that fails.
    """
    put_back()
    params.load()  # what is wrong with the file itself is said first
    own = {one.name: list(one.settings) for one in planned}
    planned = with_extra(planned, extra)
    wanted = {one.name: settings_with(one.overrides) for one in planned}
    check_further(extra, own)
    for root in sorted({str(settings["dataset"]["root"]) for settings in wanted.values()}):
        check_root(Path(root))
    if queued:
        _refuse_data_out_of_reach(wanted)
    done, waiting = experiments_of_this_commit(), queued_experiments()
    _refuse_others(wanted, done)
    return Standing(planned, wanted, wanted.keys() & done.keys(), wanted.keys() & waiting)


def carry_out(standing: Standing, now: bool, at_once: int = 1, then: str = "gbaseg tables") -> None:
    """Queue what is left to do, or run it here.

    Args:
        standing: what there is to do.
        now, at_once: as of `run`.
        then: the command that lays out what has come of it.

    Raises:
        UserError: an experiment fails; those before it stay done.
    """
    _say_what_is_done(standing)
    todo = standing.todo
    if now and at_once > 1:
        from gbaseg.commands.side_by_side import run_side_by_side

        run_side_by_side(todo, standing.settings, at_once)
        return
    if todo and now:
        dvc_notes.mend(Path(".dvc/tmp"))
    for number, one in enumerate(todo, start=1):
        log(f"{one.name} ({number} of {len(todo)}): {'run' if now else 'queued'}")
        options = [part for override in one.overrides for part in ("-S", override)]
        command = [sys.executable, "-m", "dvc", "exp", "run", "--name", one.name, *options]
        command += [] if now else ["--queue"]
        with kept_params(one.overrides) as lock:
            failed = subprocess.run(command, check=False, pass_fds=[lock.descriptor]).returncode
        if failed:
            raise UserError(f"{one.name} failed; its messages stand above. Mend it and say this command again")
    if todo and not now:
        log(f"`dvc queue start` runs them, `dvc queue status` tells how far they are; then `{then}`")
    if todo and now:
        log(f"this folder has the outputs of {todo[-1].name}; `dvc repro` brings those of params.yaml back")


def _say_what_is_done(standing: Standing) -> None:
    for one in standing.planned:
        if one.name in standing.done | standing.waiting:
            log(f"{one.name}: {'done' if one.name in standing.done else 'queued before'}, passed over")


def _refuse_data_out_of_reach(wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Queued experiments run in copies of this folder, with what stages make and what `dvc add` took in."""
    roots = {name: str(settings["dataset"]["root"]) for name, settings in wanted.items()}
    lost = sorted(
        root
        for root in {Path(root) for root in roots.values()} - {layout.PHANTOM}
        if not root.is_absolute() and not Path(f"{root}.dvc").is_file()
    )
    if lost:
        raise UserError(
            f"dataset.root: {', '.join(map(str, lost))}: queued experiments run in copies of this folder, which do not "
            "have it; name it by its whole path, `dvc add` it, or run the experiments here (--run)"
        )


def _refuse_others(wanted: Mapping[str, Mapping[str, Any]], done: Mapping[str, str]) -> None:
    """An experiment of the same name, whose settings are others, is not the one that is asked for."""
    faults = []
    for name, settings in wanted.items():
        if name in done:
            theirs = parse_yaml(open_revision(done[name], name).read_text(str(params.PATH)), f"params.yaml of {name}")
            faults += [f"{name}: {difference}" for difference in differences(theirs, settings, ("then", "now"))]
    if faults:
        raise UserError(
            "\n".join(
                [
                    "experiments of these names were run on this commit with other settings; "
                    "`dvc exp remove NAME`, or commit params.yaml first:",
                    *(f"  - {fault}" for fault in faults[:20]),
                ]
            )
        )
