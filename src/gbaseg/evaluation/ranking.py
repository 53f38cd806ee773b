"""CrossMoDA's ranking of methods, how firm it is, and the methods' means and quantiles (METHOD 7, Table III)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from gbaseg.evaluation.score_tables import HIGHER_IS_BETTER, METRICS, cases_by_method, check_structures

PERCENTS = (0.0, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 100.0)  # of the paper's Table III


def quality(metric: str, percentile: float) -> float:
    """Where a percentile of a metric stands between the worst case, 0, and the best, 100; its own inverse."""
    return percentile if HIGHER_IS_BETTER[metric] else 100.0 - percentile


def quality_in_words(metric: str, percentile: float) -> str:
    """`worst`, `5 %`, `best`: the heading of a percentile, the same for all metrics."""
    at = quality(metric, percentile)
    return {0.0: "worst", 100.0: "best"}.get(at, f"{at:g} %")


def case_ranks(scores: pd.DataFrame, structures: Sequence[str]) -> pd.DataFrame:
    """Rank of each method on each case (cases x methods): 1 + the number of strictly better methods, mean over metrics.

    Args:
        scores: `score_tables`' long table.
        structures: Dice and ASSD of each are ranked, all with equal weight; a case on which one is undefined is ranked
            by the others.

    Raises:
        UserError: see `cases_by_method`.
    """
    check_structures(scores, structures)
    tables = [cases_by_method(scores, structure, metric) for structure in structures for metric in METRICS]
    signs = [-1.0 if HIGHER_IS_BETTER[metric] else 1.0 for _ in structures for metric in METRICS]
    ranks = [
        pd.DataFrame(rankdata(sign * table.to_numpy(), method="min", axis=1), table.index, table.columns)
        for sign, table in zip(signs, tables, strict=True)
    ]
    return pd.concat(ranks).groupby(level=0).mean()


def rank_methods(ranks: pd.DataFrame, resamples: int = 10_000, seed: int = 0, level: float = 0.95) -> pd.DataFrame:
    """The ranking, and a bootstrap over the cases of how firm it is.

    Args:
        ranks: as `case_ranks` gives them.
        resamples: draws of as many cases, with replacement.
        seed: of the draws.
        level: of the interval.

    Returns:
        One line a method, best first: `rank` (mean over the cases), `low`, `high` (percentile interval), `first`
        (share of the draws in which it has the best mean rank; a tie counts in parts).
    """
    values = ranks.to_numpy()
    count = len(values)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=resamples)
    means = draws @ values / count
    best = means == means.min(axis=1, keepdims=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    table = pd.DataFrame(
        {
            "rank": values.mean(axis=0),
            "low": low,
            "high": high,
            "first": (best / best.sum(axis=1, keepdims=True)).mean(axis=0),
        },
        index=ranks.columns,
    )
    return table.sort_values("rank", kind="stable")


def method_means(scores: pd.DataFrame, structures: Sequence[str]) -> pd.DataFrame:
    """Mean and SD (ddof = 1) of each metric (methods x (structure, metric, statistic))."""
    parts = {
        (structure, metric): cases_by_method(scores, structure, metric).agg(["mean", "std"]).T
        for structure in structures
        for metric in METRICS
    }
    return pd.concat(parts, axis=1)


def method_quantiles(scores: pd.DataFrame, structure: str, percents: Sequence[float] = PERCENTS) -> pd.DataFrame:
    """Table III: the metrics at given percentiles of the cases (methods x (metric, percentile)).

    Percentiles are linear between cases. Both metrics go from the worst end to the best: ASSD stands at
    100 - `percents`.
    """
    parts = {}
    for metric in METRICS:
        table = cases_by_method(scores, structure, metric)
        for percent in percents:
            at = quality(metric, percent)
            parts[(metric, at)] = pd.Series(np.percentile(table.to_numpy(), at, axis=0), table.columns)
    return pd.concat(parts, axis=1)
