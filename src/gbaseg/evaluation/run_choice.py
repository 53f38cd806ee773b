"""Can the best of several runs be told without the target's labels? Scores that need none, against the Dice (METHOD 7).

Scores are from 0 to 1, more is better. None of them is a Dice on the target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from gbaseg.evaluation.statistics import LEVEL, RESAMPLES

# Of a run's pseudo-labels less than this share plausible: it has collapsed, and finds next to nothing, or everything.
COLLAPSED_BELOW = 0.5
# Of so few runs a rank correlation says nothing, whatever it is.
FEWEST = 6
# The score that a run is chosen by, and what it is the product of.
RULE = "rule"
CONSENSUS, FOLDS, ROUNDS = "consensus", "folds_x_plausible", "round_agreement"
# Between runs that share the highest score.
EQUAL = " = "


@dataclass(frozen=True)
class KnownRun:
    """What is known of a run.

    Args:
        name: of the run.
        arm: in words.
        seed: of the run.
        scores: name -> value without labels; `nan` where it is not known.
        plausible: share of the pseudo-labels that are not empty and whose volume the source's structures have; of
            several structures the least.
        dice: mean on the target's labels; `nan` without any.
    """

    name: str
    arm: str
    seed: int
    scores: Mapping[str, float]
    plausible: float
    dice: float = math.nan

    @property
    def collapsed(self) -> bool:
        """Whether it finds next to nothing, or everything: it is never chosen, whatever its scores."""
        return not self.plausible >= COLLAPSED_BELOW

    def score(self, name: str) -> float:
        """A score as runs are ranked by it: a collapsed run is the worst by every one."""
        return 0.0 if self.collapsed else self.scores.get(name, math.nan)


def with_rule(runs: Sequence[KnownRun]) -> list[KnownRun]:
    """The same with the score that the best of them is chosen by: how well a run agrees with the others, its folds with
    one another, and its last round with the one before, times the share of plausible masks.

    Consensus takes three runs, agreement of the rounds two trained ones; what is not known of every run is no part.
    """
    parts = [
        name
        for name in (CONSENSUS, FOLDS, ROUNDS)
        if not any(math.isnan(run.scores.get(name, math.nan)) for run in runs)
    ]
    return [
        replace(run, scores={RULE: math.prod(run.scores[name] for name in parts) if parts else math.nan, **run.scores})
        for run in runs
    ]


class Correlation(NamedTuple):
    """Spearman's rank correlation.

    Args:
        rho: of all runs, or in groups the mean.
        low, high: its bootstrap interval over runs.
        p: how often scores dealt out at random (in each group) are ranked as well; one-sided.
        runs: how many there were.
    """

    rho: float
    low: float
    high: float
    p: float
    runs: int

    @property
    def is_positive(self) -> bool:
        """Whether chance is no likely reason for it. The interval of a few runs alone does not tell."""
        return self.runs >= FEWEST and self.low > 0 and self.p < 1 - LEVEL


def rank_correlation(
    scores: Sequence[float],
    dice: Sequence[float],
    groups: Sequence[object] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Correlation:
    """Spearman's rank correlation of two lists, in a group or of several groups the mean.

    The interval is of percentiles over runs drawn anew, in each group (draws of which all are alike are left out).
    `nan` where no group has three runs that differ in both lists.

    Args:
        scores, dice: of each run; pairs of which one is `nan` are left out.
        groups: of each run; default: one of all.
    """
    rng = np.random.default_rng(seed)
    by_group: dict[object, list[tuple[float, float]]] = {}
    for group, *pair in zip(groups or [None] * len(scores), scores, dice, strict=True):
        if not np.isnan(pair).any():
            by_group.setdefault(group, []).append((pair[0], pair[1]))
    lists = [np.array(found).T for found in by_group.values()]
    able = [pairs for pairs in lists if pairs.shape[1] >= 3 and (np.ptp(pairs, axis=1) > 0).all()]
    count = sum(pairs.shape[1] for pairs in lists)
    if not able:
        return Correlation(math.nan, math.nan, math.nan, math.nan, count)
    rho = float(np.mean([stats.spearmanr(*pairs).statistic for pairs in able]))
    drawn = np.array([_redrawn(rng, pairs, resamples) for pairs in able])
    drawn = drawn[:, ~np.isnan(drawn).all(axis=0)]
    low, high = np.quantile(np.nanmean(drawn, axis=0), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    shuffled = np.mean([_shuffled(rng, pairs, resamples) for pairs in able], axis=0)
    as_good = int((shuffled >= rho - 1e-9).sum())
    return Correlation(rho, float(low), float(high), (1 + as_good) / (1 + resamples), count)


def _redrawn(rng: np.random.Generator, pairs: np.ndarray, resamples: int) -> np.ndarray:
    """Rank correlations (resamples,) of pairs (2, runs) drawn anew; `nan` where all of one list are alike."""
    count = pairs.shape[1]
    return _correlations(*pairs[:, rng.integers(count, size=(resamples, count))])


def _shuffled(rng: np.random.Generator, pairs: np.ndarray, resamples: int) -> np.ndarray:
    """Rank correlations (resamples,) of pairs (2, runs) whose scores are dealt out anew."""
    scores, dice = (np.tile(one, (resamples, 1)) for one in pairs)
    return _correlations(rng.permuted(scores, axis=1), dice)


def _correlations(scores: np.ndarray, dice: np.ndarray) -> np.ndarray:
    """Spearman's of each row of two arrays (draws, runs); `nan` where all of one row are alike."""
    ranks = stats.rankdata(np.stack([scores, dice]), axis=2)
    ranks -= ranks.mean(axis=2, keepdims=True)
    spread = np.sqrt((ranks**2).sum(axis=2).prod(axis=0))
    return np.divide((ranks[0] * ranks[1]).sum(axis=1), spread, out=np.full(len(spread), np.nan), where=spread > 0)


def chosen(runs: Sequence[KnownRun], score: str) -> list[KnownRun]:
    """The run of the highest score, or those that share it; none where no score is above 0, as of collapsed runs."""
    able = [run for run in runs if run.score(score) > 0]
    best = max((run.score(score) for run in able), default=math.nan)
    return [run for run in able if run.score(score) == best]


def regret(runs: Sequence[KnownRun], score: str) -> float:
    """Of the runs with labels the best Dice less that of the chosen one (of several that share the score, the mean)."""
    labelled = [run for run in runs if not math.isnan(run.dice)]
    found = chosen(labelled, score)
    return max(run.dice for run in labelled) - float(np.mean([run.dice for run in found])) if found else math.nan


def choose_arm(runs: Sequence[KnownRun], score: str) -> tuple[str, float]:
    """The arm of the highest mean score over the seeds that all arms have (or those that share it), and its regret in
    mean Dice over those of them that have labels.

    One training is chance for a good part, an arm's mean over several less so. An arm of which no run has a score above
    0 is never chosen; empty and `nan` where there is no arm to choose, or no seed that all have.
    """
    seeds_of: dict[str, set[int]] = {}
    for run in runs:
        if not math.isnan(run.score(score)):
            seeds_of.setdefault(run.arm, set()).add(run.seed)
    common = set.intersection(*seeds_of.values()) if seeds_of else set()
    means, dices = {}, {}
    for arm in seeds_of:
        own = [run for run in runs if run.arm == arm and run.seed in common]
        if own:
            dices[arm] = _known_mean([run.dice for run in own])
        if any(run.score(score) > 0 for run in own):
            means[arm] = float(np.mean([run.score(score) for run in own]))
    if not means:
        return "", math.nan
    best = [arm for arm, mean in means.items() if mean == max(means.values())]
    return EQUAL.join(best), max(dices.values()) - float(np.mean([dices[arm] for arm in best]))


def choice_table(runs: Sequence[KnownRun], failed_below: float, nested: bool) -> pd.DataFrame:
    """How well each score chooses: a line a score.

    Args:
        runs: over all arms and seeds.
        failed_below: Dice under which a run has failed.
        nested: every seed has patients of its own, by which its runs differ from those of others: a ranking is then
            judged within the seeds.

    Returns:
        Columns `score`, `runs`, `rho`, `low`, `high`, `p` (over all runs), `regret`, `chosen`, `arm_chosen`,
        `arm_regret` (see `choose_arm`); `seed_rho`, `seed_low`, ... (mean over the seeds: the choice among the arms of
        one), `seed_regret`; `working_runs`, `working_rho`, ... (without runs that have failed; within the seeds where
        `nested`); `verdict`. Without labels all that takes them is `nan`.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.scores))
    working = [run for run in runs if run.dice >= failed_below]
    seeds = [[run for run in runs if run.seed == seed] for seed in sorted({run.seed for run in runs})]
    lines = []
    for name in names:
        over_all, within = _correlate(runs, name), _correlate(runs, name, within=True)
        of_working, found = _correlate(working, name, within=nested), chosen(runs, name)
        line = {
            "score": name,
            **_named("", over_all),
            "regret": regret(runs, name),
            "chosen": EQUAL.join(run.name for run in found),
            **dict(zip(("arm_chosen", "arm_regret"), choose_arm(runs, name), strict=True)),
            **_named("seed_", within),
            "seed_regret": _known_mean([regret(some, name) for some in seeds]),
            **_named("working_", of_working),
        }
        known = any(not math.isnan(run.scores.get(name, math.nan)) for run in runs)
        verdict = _verdict(within if nested else over_all, of_working, bool(found)) if known else "not known of any run"
        lines.append({**line, "verdict": verdict})
    return pd.DataFrame(lines)


def run_table(runs: Sequence[KnownRun]) -> pd.DataFrame:
    """What is known of each run: `run`, `arm`, `seed`, its scores, `least_plausible` (`KnownRun.plausible`, by which it
    is `collapsed`), `collapsed`, `dice`."""
    return pd.DataFrame(
        [
            {
                "run": run.name, "arm": run.arm, "seed": run.seed, **run.scores,
                "least_plausible": run.plausible, "collapsed": run.collapsed, "dice": run.dice,
            }
            for run in runs
        ]
    )  # fmt: skip


def _correlate(runs: Sequence[KnownRun], name: str, within: bool = False) -> Correlation:
    groups = [run.seed for run in runs] if within else ()
    return rank_correlation([run.score(name) for run in runs], [run.dice for run in runs], groups)


def _named(before: str, found: Correlation) -> dict[str, Any]:
    return {f"{before}{name}": value for name, value in found._asdict().items()}


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _verdict(ranked: Correlation, working: Correlation, any_chosen: bool) -> str:
    """How far a ranking by a score is to be trusted, in words."""
    if not any_chosen:
        return "nothing to choose: every run has collapsed, or a score of 0"
    if ranked.runs < FEWEST:
        return f"not known: {ranked.runs} run(s) with labels, {FEWEST} are needed"
    if math.isnan(ranked.rho):
        return "says nothing: it is the same of all runs"
    if not ranked.is_positive:
        return "NOT TRUSTWORTHY: chance ranks them as well"
    if working.is_positive:
        return "ranks the runs"
    few = f" (only {working.runs} of them)" if working.runs < FEWEST else ""
    return f"tells runs that fail from those that work; ranking of those that work NOT TRUSTWORTHY{few}"
