"""study: every arm with every seed on the data set of this project; how long that takes, and what is left of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gbaseg import params
from gbaseg.commands.ablation import Standing, carry_out, stand
from gbaseg.commands.experiments import check_structure
from gbaseg.commands.overrides import settings_with
from gbaseg.commands.planned import with_extra
from gbaseg.commands.study_arms import Arm, choose_arms, plan_study
from gbaseg.cost.counted import DataSize
from gbaseg.cost.forecast import Forecast, forecast
from gbaseg.errors import UserError
from gbaseg.evaluation.text import plain_console, plain_table
from gbaseg.runtime.durations import about
from gbaseg.workflow.itinerary import itinerary, made_of
from gbaseg.workflow.outlook import by_what, phantom_size, remarks, with_copies


@dataclass(frozen=True)
class Study:
    """Arms and seeds of one data set.

    Args:
        arms: in the order of the tables.
        left_out: arms that need factors which nobody has set.
        seeds: of each arm.
        extra: `KEY=VALUE`, set in every experiment.
    """

    arms: Sequence[Arm]
    left_out: Sequence[str]
    seeds: Sequence[int]
    extra: Sequence[str]

    def names(self) -> dict[str, str]:
        """Experiment -> its arm."""
        settings = _checked(self.extra)
        return {
            one.name: arm.name
            for arm in self.arms
            for one in with_extra(plan_study([arm], self.seeds, settings), self.extra)
        }

    def tables_command(self) -> str:
        """The command that lays out these runs, and no others."""
        sets = [part for setting in self.extra for part in ("-S", setting)]
        arms, seeds = ",".join(arm.name for arm in self.arms), ",".join(map(str, self.seeds))
        return shlex.join(["gbaseg", "study", "--tables", "--arms", arms, "--seeds", seeds, *sets])

    def stand(self, queued: bool = False) -> Standing:
        """What is done of it, see `ablation.stand`."""
        return stand(plan_study(self.arms, self.seeds, _checked(self.extra)), self.extra, queued)


def plan(arms: Sequence[str], seeds: Sequence[int], extra: Sequence[str]) -> Study:
    """What a study consists of.

    Args:
        arms: names; empty: see `choose_arms`.
        seeds: of each arm.
        extra: `KEY=VALUE`, set in every experiment.

    Raises:
        UserError: no such arm or setting.
    """
    chosen, left_out = choose_arms(arms, _checked(extra))
    return Study(chosen, left_out, seeds, extra)


def run(study: Study, start: str, at_once: int = 1, structure: str = "") -> None:
    """Say what there is to do and how long it takes here; then do it.

    Args:
        study: see `plan`.
        start: `here`; `queue`, in DVC's; or nothing: it is said alone.
        at_once: runs at a time, where they run here.
        structure: whose scores the tables will have; empty: of all.

    Raises:
        UserError: no such structure, which is better known before the runs; or see `ablation.run`.
    """
    if structure:
        check_structure(structure, list(_checked(study.extra).dataset.structures), str(params.PATH))
    standing = study.stand(queued=start == "queue" or at_once > 1)
    _say(study, standing)
    if start:
        carry_out(standing, start == "here", at_once, then=study.tables_command())
    elif standing.todo:
        print("`--run` runs them here, one after the other; `--queue` puts them into DVC's queue")
    elif not standing.waiting:
        print("all is done; `--tables` lays it out")


def _checked(extra: Sequence[str]) -> params.Params:
    """Settings of params.yaml, with those that every experiment sets."""
    settings = params.load()
    return params.check(settings_with(extra)) if extra else settings


def _say(study: Study, standing: Standing) -> None:
    """The table of arms, and the forecast."""
    console = plain_console(soft_wrap=True)
    if study.left_out:
        console.print(
            f"left out: {', '.join(study.left_out)}: nobody has set a factor in params.yaml (augmentation.rules)"
        )
    seen: dict[str, Forecast] | str
    try:
        seen = _forecasts(standing)
    except UserError as error:
        seen = str(error)
    arm_of = study.names()
    table = plain_table(f"{len(study.arms)} arms, seeds {', '.join(map(str, study.seeds))}")
    for heading in ("arm", "what it is", "done", "queued", "left", "a run alone"):
        table.add_column(heading, justify="right" if heading in ("done", "queued", "left") else "left")
    for arm in study.arms:
        names = {name for name, of in arm_of.items() if of == arm.name}
        counts = [len(names & part) for part in (standing.done, standing.waiting)]
        alone = "?" if isinstance(seen, str) else about(sum(seen[min(names)].seconds.values()))
        table.add_row(arm.name, arm.about, *map(str, (*counts, len(names) - sum(counts))), alone)
    console.print(table)
    if isinstance(seen, str):
        console.print(f"how long it takes is not known: {seen}")
        return
    whole, left = _grid_seconds(standing, seen)
    longest = max(seen.values(), key=lambda one: sum(one.seconds.values()))
    count, undone = len(standing.planned), len(standing.planned) - len(standing.done)
    todo = f"{about(left)} for the {undone} left, " if 0 < undone < count else ""
    every = "all of them" if undone == count else "the whole grid"
    console.print(f"{count} runs: {todo}{about(whole)} for {every}, {by_what(longest)}")
    console.print("stages that runs share are counted once; what a broken-off run has done already is not taken off")
    for remark in remarks(params.check(standing.settings[standing.planned[0].name]), longest):
        console.print(remark)


def _forecasts(standing: Standing) -> dict[str, Forecast]:
    """Of each experiment, as if it were the first.

    Raises:
        UserError: how large the data are is not known yet, or dvc.yaml is somebody's own.
    """
    settings = {name: params.check(values) for name, values in standing.settings.items()}
    size = _size(next(iter(settings.values())))
    return {
        # What was copied here is of one arm; the others have other copies.
        name: forecast(one, with_copies(one, replace(size, copies=0.0)), itinerary(standing.settings[name]))
        for name, one in settings.items()
    }


def _size(settings: params.Params) -> DataSize:
    """Of the data, which all arms have in common."""
    size: DataSize | None = phantom_size(settings)
    if size is None:
        # Reads images' headers, whose libraries take a second to import.
        from gbaseg.commands.cost import known_size

        size, _ = known_size(settings)
    if size is None:
        raise UserError("the size of the data set is known once `dvc repro standardise` has run")
    return size


def _grid_seconds(standing: Standing, seen: Mapping[str, Forecast]) -> tuple[float, float]:
    """Seconds of the whole grid, and of runs that are not done; a stage that runs share counts once."""
    whole: dict[str, float] = {}
    done: set[str] = set()
    left: set[str] = set()
    for one in standing.planned:
        made = made_of(standing.settings[one.name])
        whole |= {digest: seen[one.name].seconds[stage] for stage, digest in made.items()}
        (done if one.name in standing.done else left).update(made.values())
    return sum(whole.values()), sum(whole[digest] for digest in left - done)
