"""Is a difference between arms one? Paired tests, intervals, and what part of the spread is the seed's (METHOD 7).

Scores of an arm are a list with one array (cases,) a seed. They are *crossed* where every seed was scored on the same
cases (a real data set), and *nested* where every seed brought its own (the phantom draws its patients from the seed).
Cases are taken for independent: whose scans they are is not known here, and of several scans of a patient intervals
are too narrow and p-values too small (`standardise` warns of such a set).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000
LEVEL = 0.95

Scores = Sequence[np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval (percentiles)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """First minus second, paired by case and seed.

    `p_t`, `p_wilcoxon`: two-sided; `nan` where all differences are equal. `pairs`: what they were computed over: cases
    (crossed: each its mean over the seeds), or cases of all seeds (nested). Both are conditional on the trainings: a
    shift that a training gives all of its cases counts as an effect of the arm. `p_seeds`: t-test over the seeds' mean
    differences, which has few degrees of freedom and no such flaw; `nan` with fewer than 3 seeds.
    """

    difference: Interval
    p_t: float
    p_wilcoxon: float
    p_seeds: float
    pairs: int
    seeds: int


@dataclass(frozen=True)
class Spread:
    """What another seed does: SD of the mean over the cases from seed to seed, and the seed's share of the variance.

    `share`, from a one-way random-effects model, is of the variance of a single score: crossed, the part within a
    case over the seeds (1 - ICC(1), cases as groups); nested, the part between the seeds (ICC(1), seeds as groups), to
    which their patients belong. `nan` with fewer than 2 seeds or cases, or without any variance.
    """

    mean_sd: float
    share: float
    seeds: int


def mean_interval(
    scores: Scores, crossed: bool = True, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Interval:
    """Mean over seeds and cases, and its interval: seeds are drawn anew, and cases (nested: within each seed drawn).

    With one seed the interval says nothing of what another training would give; with two or three it is too narrow.
    """
    rng = np.random.default_rng(seed)
    count = len(scores)
    drawn_seeds = rng.integers(count, size=(resamples, count))
    if crossed:
        values = _stack(scores)
        by_case = _weights(rng, values.shape[1], resamples)
        # (resamples, seeds): the mean of each seed over one draw of cases, which is the same for all seeds.
        means = np.take_along_axis(by_case @ values.T, drawn_seeds, axis=1).mean(axis=1)
    else:
        # Each time that a seed is drawn its cases are drawn anew.
        redrawn = np.stack(
            [(_weights(rng, len(part), resamples * count) @ part).reshape(resamples, count) for part in scores], axis=2
        )
        means = np.take_along_axis(redrawn, drawn_seeds[:, :, None], axis=2).mean(axis=(1, 2))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean([part.mean() for part in scores])), float(low), float(high))


def compare_paired(
    first: Scores, second: Scores, crossed: bool = True, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare two arms on the same seeds and cases, in the same order.

    Raises:
        ValueError: other numbers of seeds or cases.
    """
    if [len(part) for part in first] != [len(part) for part in second]:
        raise ValueError("scores of other numbers of seeds or cases do not pair")
    differences = [mine - theirs for mine, theirs in zip(first, second, strict=True)]
    # Three trainings scored on the same 20 cases are 20 independent pairs, not 60.
    pairs = _stack(differences).mean(axis=0) if crossed else np.concatenate(differences)
    by_seed = [float(part.mean()) for part in differences]
    varied = bool(np.ptp(pairs) > 1e-12)
    return Comparison(
        mean_interval(differences, crossed, resamples, seed),
        float(stats.ttest_1samp(pairs, 0.0).pvalue) if varied else math.nan,
        float(stats.wilcoxon(pairs).pvalue) if varied else math.nan,
        float(stats.ttest_1samp(by_seed, 0.0).pvalue) if len(by_seed) > 2 and np.ptp(by_seed) > 1e-12 else math.nan,
        pairs=len(pairs),
        seeds=len(differences),
    )


def seed_spread(scores: Scores, crossed: bool = True) -> Spread:
    """How far the seed moves the mean, and what share of a single score's variance is its (see `Spread`)."""
    seeds = len(scores)
    if seeds < 2 or min(len(part) for part in scores) < 2:
        return Spread(math.nan, math.nan, seeds)
    if crossed:
        values = _stack(scores)
        within, between = _components(list(values.T))
        share = within / (within + between) if within + between > 0 else math.nan
    else:
        within, between = _components(scores)
        share = between / (within + between) if within + between > 0 else math.nan
    return Spread(float(np.std([part.mean() for part in scores], ddof=1)), share, seeds)


def _components(groups: Scores) -> tuple[float, float]:
    """Variance within and between groups, by the method of moments."""
    within = float(np.mean([group.var(ddof=1) for group in groups]))
    size = float(stats.hmean([len(group) for group in groups]))
    return within, max(0.0, float(np.var([group.mean() for group in groups], ddof=1)) - within / size)


def _stack(scores: Scores) -> np.ndarray:
    if len({len(part) for part in scores}) > 1:
        raise ValueError("seeds with other numbers of cases are not crossed")
    return np.stack(scores)


def _weights(rng: np.random.Generator, count: int, resamples: int) -> np.ndarray:
    """Bootstrap draws as weights (resamples, count) that sum to 1."""
    return rng.multinomial(count, np.full(count, 1.0 / count), size=resamples) / count
