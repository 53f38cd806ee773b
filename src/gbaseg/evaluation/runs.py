"""Runs of the pipeline side by side: which belong together, and their scores by seed and case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from statistics import fmean
from typing import Any, get_args

import numpy as np

from gbaseg.errors import UserError
from gbaseg.evaluation.settings import EMPTY_ASSD_MM, LOW_DICE
from gbaseg.evaluation.summary import CaseScore
from gbaseg.translation.settings import TRAINED, UNTRANSLATED, Mode

NO_TRANSLATION = "none"
# What no other number of the retraining trains otherwise.
NOT_RETRAINED = tuple(mode for mode in get_args(Mode) if mode not in TRAINED)
REFERENCE = "reference"  # in the place of a translation: what every arm is to be held against
EMPTY, THRESHOLD, ORACLE = "empty prediction", "threshold", "oracle"
ARMS = ("none", "naive", "online", "gba")  # the order of the tables; others follow by name


@dataclass(frozen=True)
class Run:
    """One run of the whole pipeline.

    `rounds`: round -> scores of one structure, in order, the survey not among them; cases with an empty reference are
    left out. `failed`: the translation has, by the paper's rule after the first round; `None` where it was not asked.
    `judged_by`: the arm whose Dice that went by (`none`, `survey`), or `checks`; empty in runs of older code.
    `threshold`, `oracle`: scores of the same cases by the best threshold and by the network trained on the target's own
    labels; empty where there are none. `proxies`: round -> what is known of it without them; `checks`: the
    translation's. `unaltered_share`: of the draws from the source, those of an image as it was translated; `None` for
    runs of older code. `empty_assd_mm`: what an empty prediction counted. `low_dice`: the cases under
    each are counted. `revision`: its commit; empty: this folder.
    """

    name: str
    arm: str
    translation: str
    centre: str
    retraining: int
    seed: int
    rounds: Mapping[str, Sequence[CaseScore]]
    failed: bool | None = None
    judged_by: str = ""
    threshold: Sequence[CaseScore] = ()
    oracle: Sequence[CaseScore] = ()
    proxies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: Mapping[str, float] = field(default_factory=dict)
    unaltered_share: float | None = None
    empty_assd_mm: float = EMPTY_ASSD_MM
    low_dice: Sequence[float] = LOW_DICE
    revision: str = ""

    @property
    def setting(self) -> tuple[str, str, int, str]:
        """All that tells it from other runs but the seed: translation, its centre and retraining, arm."""
        if self.translation in (*UNTRANSLATED, REFERENCE):
            return (self.translation, "", 0, self.arm)
        return (self.translation, self.centre, 0 if self.translation in NOT_RETRAINED else self.retraining, self.arm)

    @property
    def first(self) -> str:
        """Its first round."""
        return next(iter(self.rounds))

    @property
    def last(self) -> str:
        """Its last round."""
        return list(self.rounds)[-1]


def mean_of_structures(of: Sequence[Run]) -> Run:
    """One run by the mean over its structures, case by case.

    A case counts by the structures that its labels have; volumes are sums. A reference (threshold, oracle) that lacks
    one of them is left out, and so are proxies, which are of one structure.

    Args:
        of: the same run with the scores of each structure.
    """
    first = of[0]
    if len(of) == 1:
        return first

    labelled = [one for one in of if any(one.rounds.values())]

    def mean(parts: Sequence[Sequence[CaseScore]]) -> list[CaseScore]:
        by_case: dict[str, list[CaseScore]] = {}
        for row in chain.from_iterable(parts):
            by_case.setdefault(row.case, []).append(row)
        return [_mean_score(rows) for _, rows in sorted(by_case.items())]

    return replace(
        first,
        rounds={name: mean([one.rounds[name] for one in of]) for name in first.rounds},
        threshold=mean([one.threshold for one in of]) if all(one.threshold for one in labelled) else (),
        oracle=mean([one.oracle for one in of]) if all(one.oracle for one in labelled) else (),
        proxies={},
    )


def _mean_score(rows: Sequence[CaseScore]) -> CaseScore:
    """Of the structures of one case."""
    return replace(
        rows[0],
        structure=", ".join(row.structure for row in rows),
        dice=fmean(row.dice for row in rows),
        assd_mm=fmean(row.assd_mm for row in rows),
        pooled_assd_mm=fmean(row.pooled_assd_mm for row in rows),
        reference_mm3=sum(row.reference_mm3 for row in rows),
        predicted_mm3=sum(row.predicted_mm3 for row in rows),
    )


def _by_translation(run: Run) -> int:
    return (run.translation in NOT_RETRAINED) + (run.translation in UNTRANSLATED)


def reference_runs(runs: Sequence[Run]) -> list[Run]:
    """What every arm is to be held against, once a seed: an empty prediction, the threshold, the oracle.

    The threshold of a run with a translation is chosen on its pseudo-target images; a seed's first such run gives it, a
    CycleGAN's before others.
    """
    found = []
    for seed in sorted({run.seed for run in runs}):
        of_seed = sorted((run for run in runs if run.seed == seed), key=_by_translation)
        empty_mm = of_seed[0].empty_assd_mm
        empty = [
            replace(row, dice=0.0, assd_mm=empty_mm, pooled_assd_mm=empty_mm, predicted_mm3=0.0)
            for row in of_seed[0].rounds[of_seed[0].first]
        ]
        candidates = (
            (EMPTY, empty),
            (THRESHOLD, next((run.threshold for run in of_seed if run.threshold), ())),
            (ORACLE, next((run.oracle for run in of_seed if run.oracle), ())),
        )
        found += [
            Run(f"{name}-{seed}", name, REFERENCE, "", 0, seed, {"–": rows}, low_dice=of_seed[0].low_dice)
            for name, rows in candidates
            if rows
        ]
    return found


def group_runs(runs: Sequence[Run]) -> dict[tuple[str, str, int, str], list[Run]]:
    """The runs of each setting, ordered by seed; settings in the order of the tables.

    Raises:
        UserError: two runs of one setting and seed.
    """
    groups: dict[tuple[str, str, int, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (*run.setting[:3], _arm_order(run.arm), run.seed)):
        group = groups.setdefault(run.setting, [])
        if group and group[-1].seed == run.seed:
            raise UserError(
                f"{group[-1].name} and {run.name} are of one setting and seed ({', '.join(map(str, run.setting))}, "
                f"seed {run.seed}); name those to be compared"
            )
        group.append(run)
    return groups


def failed_translations(runs: Sequence[Run]) -> dict[tuple[str, str, int, int], str]:
    """(translation, centre, retraining, seed) of each translation that has failed -> what it was judged by.

    By its arm `none` where that is among the runs, else by what its other arms say: the survey, or the checks.
    """
    judged: dict[tuple[str, str, int, int], tuple[bool, str]] = {}
    for run in sorted(runs, key=lambda run: run.arm != "none"):
        by = run.judged_by or ("none" if run.arm == "none" else "")
        if run.failed is not None and by and run.translation != NO_TRANSLATION:
            judged.setdefault((*run.setting[:3], run.seed), (run.failed, by))
    return {translation: by for translation, (failed, by) in judged.items() if failed}


def _arm_order(arm: str) -> tuple[int, str]:
    return (ARMS.index(arm), "") if arm in ARMS else (len(ARMS), arm)


def check_paired(first: Sequence[Run], second: Sequence[Run]) -> None:
    """Whether two settings were scored, seed by seed, on the same patients.

    Raises:
        UserError: other cases, or other reference volumes; names both runs.
    """
    for mine, theirs in zip(first, second, strict=True):
        if not crossed([mine, theirs]):
            raise UserError(
                f"{mine.name} and {theirs.name} were not scored on the same cases with the same labels; only runs of "
                "one data set are compared"
            )


def crossed(runs: Sequence[Run]) -> bool:
    """Whether all runs were scored on the same patients: the same cases with the same reference volumes."""
    seen = [{(row.case, round(row.reference_mm3, 1)) for row in next(iter(run.rounds.values()))} for run in runs]
    return all(cases == seen[0] for cases in seen)


def scores_by_seed(
    runs: Sequence[Run], round_id: str, metric: str, chosen: Callable[[CaseScore], bool] = lambda row: True
) -> list[np.ndarray]:
    """One metric of a round, one array (cases,) a run, cases in the order of their names.

    Args:
        runs: of one setting, over the seeds.
        round_id: of the round; a run without it is left out.
        metric: `dice` or `assd_mm`.
        chosen: which cases.
    """
    arrays = []
    for run in runs:
        rows = sorted(run.rounds.get(round_id, []), key=lambda row: row.case)
        arrays.append(np.array([getattr(row, metric) for row in rows if chosen(row)]))
    return [array for array in arrays if array.size]
