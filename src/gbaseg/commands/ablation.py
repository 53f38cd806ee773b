"""ablation: the paper's comparisons as DVC experiments, by one command; what is done is not done again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from gbaseg import params
from gbaseg.commands.experiments import experiments_of_this_commit
from gbaseg.errors import UserError
from gbaseg.runtime.progress import log


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name, and what it sets in params.yaml."""

    name: str
    settings: Mapping[str, str]

    @property
    def options(self) -> list[str]:
        """Of `dvc exp run`."""
        return ["--name", self.name, *(part for key in self.settings for part in ("-S", f"{key}={self.settings[key]}"))]


def plan_arms(arms: Sequence[str], seeds: Sequence[int], translation: str) -> list[Experiment]:
    """Table II: every arm with every seed, and `no-adaptation`, which trains on the source images as they are."""
    chosen = [("no-adaptation", "none", "none") if arm == "no-adaptation" else (arm, arm, translation) for arm in arms]
    return [
        Experiment(f"{name}-seed-{seed}", {"seed": str(seed), "translation.mode": mode, "augmentation.arm": arm})
        for seed, (name, arm, mode) in product(seeds, chosen)
    ]


def plan_translations(centres: Sequence[str], retrainings: Sequence[int], arms: Sequence[str]) -> list[Experiment]:
    """Table I: CycleGANs of every centre, retrained, each with every arm."""
    return [
        Experiment(
            f"centre-{centre}-run-{retraining}-{arm}",
            {
                "translation.mode": "cyclegan",
                "translation.centre": centre,
                "translation.run": str(retraining),
                "augmentation.arm": arm,
            },
        )
        for centre, retraining, arm in product(centres, retrainings, arms)
    ]


def run(planned: Sequence[Experiment], extra: Sequence[str], now: bool) -> None:
    """Queue the experiments that the present commit does not have yet, or run them here one after the other.

    Args:
        planned: as `plan_arms` or `plan_translations` gives them; of one seed (or arm) after the other, so that DVC's
            run cache hands the stages that they share on.
        extra: `KEY=VALUE`, set in each of them.
        now: run instead of queueing.

    Raises:
        UserError: settings that params.yaml does not allow, or an experiment that fails; those before it stay done.
    """
    params.load()
    done = experiments_of_this_commit()
    todo = [experiment for experiment in planned if experiment.name not in done]
    for experiment in planned:
        if experiment.name in done:
            log(f"{experiment.name}: done, passed over")
    for number, experiment in enumerate(todo, start=1):
        more = [part for setting in extra for part in ("-S", setting)]
        log(f"{experiment.name} ({number} of {len(todo)}): {'run' if now else 'queued'}")
        command = [sys.executable, "-m", "dvc", "exp", "run", *([] if now else ["--queue"]), *experiment.options, *more]
        if subprocess.run(command, check=False).returncode:
            raise UserError(f"{experiment.name} failed; its messages stand above. Mend it and say this command again")
    if todo and not now:
        log("`dvc queue start` runs them, `dvc queue status` tells how far they are; then `gbaseg tables`")
