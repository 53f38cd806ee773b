"""Tables I, II and III of the paper, and the differences between arms, from any set of runs (METHOD 7).

Each table is long: one line a figure, numbers unrounded. `evaluation.layout_tables` lays them out for reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from gbaseg.evaluation.ranking import PERCENTS
from gbaseg.evaluation.runs import Run, crossed, group_runs, scores_by_seed
from gbaseg.evaluation.score_tables import HIGHER_IS_BETTER, METRICS
from gbaseg.evaluation.statistics import compare_paired, mean_interval, seed_spread
from gbaseg.evaluation.summary import CaseScore

# The paper's 15 smallest and 15 largest of its validation cases.
SMALL_MM3, LARGE_MM3 = 720.0, 5400.0
SETTING = ["translation", "centre", "retraining", "arm"]


def translation_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Table I: first and last round of each translation, retraining and arm.

    Returns:
        Columns of `SETTING`, `round`, and those of `_figures` for Dice. Where the failure rule stopped a run its last
        round is `nan` (N/A): the paper does not self-train from a failed translation.
    """
    lines = []
    for setting, group in group_runs(runs).items():
        first, last = group[0].first, group[0].last
        lines.append({**_named(setting), "round": first, **_figures(group, first, "dice")})
        if last != first:
            kept = [run for run in group if not run.failed]
            lines.append({**_named(setting), "round": last, **_figures(kept, last, "dice")})
    return pd.DataFrame(lines)


def round_table(runs: Sequence[Run], small_mm3: float = SMALL_MM3, large_mm3: float = LARGE_MM3) -> pd.DataFrame:
    """Table II: each round of each arm, over all cases, small tumours and large ones, Dice and ASSD.

    Args:
        runs: any.
        small_mm3, large_mm3: reference volume under which a tumour is small, over which it is large.
    """
    groups: dict[str, Callable[[CaseScore], bool]] = {
        "all": lambda row: True,
        f"< {small_mm3:g} mm3": lambda row: row.reference_mm3 < small_mm3,
        f"> {large_mm3:g} mm3": lambda row: row.reference_mm3 > large_mm3,
    }
    return pd.DataFrame(
        {**_named(setting), "round": round_id, "cases_of": name, "metric": metric}
        | _figures(group, round_id, metric, chosen)
        for setting, group in group_runs(runs).items()
        for round_id in group[0].rounds
        for name, chosen in groups.items()
        for metric in METRICS
    )


def quantile_table(runs: Sequence[Run], percents: Sequence[float] = PERCENTS) -> pd.DataFrame:
    """Table III: percentiles of the last round over the cases of all seeds; ASSD from the other end."""
    lines = []
    for setting, group in group_runs(runs).items():
        for metric in METRICS:
            values = np.concatenate(scores_by_seed(group, group[0].last, metric))
            for percent in percents:
                at = percent if HIGHER_IS_BETTER[metric] else 100.0 - percent
                value = float(np.percentile(values, at))
                lines.append({**_named(setting), "metric": metric, "percentile": at, "value": value})
    return pd.DataFrame(lines)


def difference_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Differences between the settings that share their seeds, first and last round: interval, p-values, seeds.

    Only seeds that both settings have enter; pairs without a common seed are left out.
    """
    lines: list[dict[str, Any]] = []
    for (name, mine), (other, theirs) in combinations(group_runs(runs).items(), 2):
        common = sorted({run.seed for run in mine} & {run.seed for run in theirs})
        if not common:
            continue
        first, second = ([run for run in group if run.seed in common] for group in (mine, theirs))
        same = crossed([*first, *second])
        for round_id in dict.fromkeys((first[0].first, first[0].last)):
            for metric in METRICS:
                result = compare_paired(
                    scores_by_seed(first, round_id, metric), scores_by_seed(second, round_id, metric), same
                )
                lines.append(
                    {
                        "first": label(name), "second": label(other), "round": round_id, "metric": metric,
                        "difference": result.difference.mean, "low": result.difference.low,
                        "high": result.difference.high, "p_t": result.p_t, "p_wilcoxon": result.p_wilcoxon,
                        "pairs": result.pairs, "seeds": result.seeds, "crossed": same,
                    }
                )  # fmt: skip
    return pd.DataFrame(lines)


def label(setting: tuple[str, str, int, str]) -> str:
    """A setting in words: `cyclegan A, gba`; a retraining other than the first is numbered."""
    translation, centre, retraining, arm = setting
    where = " ".join(part for part in (translation, centre, f"run {retraining}" if retraining else "") if part)
    return f"{where}, {arm}"


def _named(setting: tuple[str, str, int, str]) -> dict[str, Any]:
    return dict(zip(SETTING, setting, strict=True))


def _figures(
    runs: Sequence[Run], round_id: str, metric: str, chosen: Callable[[CaseScore], bool] = lambda row: True
) -> dict[str, Any]:
    """Mean over seeds and cases, SD over the cases of all seeds (ddof = 1), interval, counts, the seed's part."""
    scores = scores_by_seed(runs, round_id, metric, chosen)
    if not scores:
        return {"mean": np.nan, "sd": np.nan, "low": np.nan, "high": np.nan, "cases": 0, "seeds": len(runs)}
    same = crossed(runs)
    values, interval, spread = np.concatenate(scores), mean_interval(scores, same), seed_spread(scores, same)
    return {
        **asdict(interval),
        "sd": float(values.std(ddof=1)) if values.size > 1 else np.nan,
        "cases": int(values.size),
        "seeds": len(scores),
        "seed_sd": spread.mean_sd,
        "seed_share": spread.share,
        **({f"under_{bound:g}": int((values < bound).sum()) for bound in (0.4, 0.5)} if metric == "dice" else {}),
    }
