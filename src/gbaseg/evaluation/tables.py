"""Tables I, II and III of the paper, and the differences between arms, from any set of runs (METHOD 7).

Each table is long: one line a figure, numbers unrounded. `table_layout` lays them out for reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from gbaseg.evaluation.ranking import PERCENTS, quality
from gbaseg.evaluation.runs import (
    NO_TRANSLATION,
    ORACLE,
    REFERENCE,
    Run,
    check_paired,
    crossed,
    failed_translations,
    group_runs,
    scores_by_seed,
)
from gbaseg.evaluation.score_tables import METRICS
from gbaseg.evaluation.statistics import compare_paired, mean_interval, seed_spread
from gbaseg.evaluation.summary import COLUMNS, CaseScore

# The paper's 15 smallest and 15 largest of its validation cases.
SMALL_MM3, LARGE_MM3 = 720.0, 5400.0
SETTING = ["translation", "centre", "retraining", "arm"]


def case_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Every score that the other tables are made of: columns of `SETTING`, `seed`, `round`, those of `CaseScore`."""
    return pd.DataFrame(
        [
            {**_named(setting), "seed": run.seed, "round": round_id, **asdict(score)}
            for setting, group in group_runs(runs).items()
            for run in group
            for round_id, scores in run.rounds.items()
            for score in scores
        ],
        columns=[*SETTING, "seed", "round", *COLUMNS],
    )


def translation_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Table I: first and last round of each translation, retraining and arm.

    Returns:
        Columns of `SETTING`, `round`, `metric`, those of `_figures`, and `failed_seeds`: runs that are left out (`nan`,
        N/A, without any other) because their translation has failed, see `failed_translations`. The paper trains
        its other arms no more, and no further round of its arm `none`.
    """
    lines = []
    failed = failed_translations(runs)
    for setting, group in group_runs(runs).items():
        first, last = group[0].first, group[0].last
        good = [run for run in group if (*setting[:3], run.seed) not in failed]
        for round_id in dict.fromkeys((first, last)):
            kept = group if round_id == first and setting[-1] == "none" else good
            left_out = len(group) - len(kept)
            for metric in METRICS:
                figures = _figures(kept, round_id, metric)
                named = {**_named(setting), "round": round_id, "metric": metric}
                lines.append({**named, **figures, "failed_seeds": left_out})
    return pd.DataFrame(lines)


def round_table(runs: Sequence[Run], small_mm3: float = SMALL_MM3, large_mm3: float = LARGE_MM3) -> pd.DataFrame:
    """Table II: each round of each arm, over all cases, small tumours and large ones, Dice and ASSD.

    Args:
        runs: any; with `reference_runs` among them the oracle tells how much of the gap each round closes.
        small_mm3, large_mm3: reference volume under which a tumour is small, over which it is large.

    Returns:
        Columns of `SETTING`, `round`, `cases_of`, `metric`, those of `_figures`, `change`, `change_low`, `change_high`
        (over the round before, which is the baseline "the round before, unchanged"), and `gap_closed`: of the Dice
        between no adaptation (no translation, arm `none`, first round) and the oracle, on seeds that have all three.
    """
    groups: dict[str, Callable[[CaseScore], bool]] = {
        "all": lambda row: True,
        f"< {small_mm3:g} mm3": lambda row: row.reference_mm3 < small_mm3,
        f"> {large_mm3:g} mm3": lambda row: row.reference_mm3 > large_mm3,
    }
    lines = []
    for setting, group in group_runs(runs).items():
        before: str | None = None
        for round_id in group[0].rounds:
            for name, chosen in groups.items():
                for metric in METRICS:
                    line = {**_named(setting), "round": round_id, "cases_of": name, "metric": metric}
                    line |= _figures(group, round_id, metric, chosen)
                    if before is not None and line["cases"]:
                        line |= _change(group, before, round_id, metric, chosen)
                    if name == "all" and metric == "dice":
                        line["gap_closed"] = _gap_closed(runs, group, round_id)
                    lines.append(line)
            before = round_id
    return pd.DataFrame(lines)


def _change(
    group: Sequence[Run], before: str, now: str, metric: str, chosen: Callable[[CaseScore], bool]
) -> dict[str, float]:
    mine, theirs = (scores_by_seed(group, round_id, metric, chosen) for round_id in (now, before))
    change = compare_paired(mine, theirs, crossed(group)).difference
    return {"change": change.mean, "change_low": change.low, "change_high": change.high}


def _gap_closed(runs: Sequence[Run], group: Sequence[Run], round_id: str) -> float:
    def dice(run: Run, which: str) -> float:
        return float(np.mean([row.dice for row in run.rounds[which]]))

    def by_seed(arm: str, translation: str) -> dict[int, float]:
        return {run.seed: dice(run, run.first) for run in runs if (run.arm, run.translation) == (arm, translation)}

    floor, ceiling = by_seed("none", NO_TRANSLATION), by_seed(ORACLE, REFERENCE)
    mine = {run.seed: dice(run, round_id) for run in group if run.translation != REFERENCE}
    common = sorted(floor.keys() & ceiling.keys() & mine.keys())
    gap = sum(ceiling[seed] - floor[seed] for seed in common)
    return sum(mine[seed] - floor[seed] for seed in common) / gap if common and gap > 0 else np.nan


def proxy_table(runs: Sequence[Run]) -> pd.DataFrame:
    """What is known without the target's labels, means over the seeds; beside it the Dice on the target, if known.

    Returns:
        Columns of `SETTING`, `round`, `seeds`, `pseudo_target_dice` (held-out folds, on translated source patients: how
        well the network learnt its training set), `fold_agreement` and `round_agreement` (Dice between pseudo-labels;
        with the round before that of all structures, over the seeds that trained this one),
        `doubtful` (share of them), the translation's checks, and `dice` (on the target's labels).
    """
    lines = []
    for setting, group in group_runs(runs).items():
        for round_id in group[0].proxies:
            found = [run.proxies[round_id] for run in group if round_id in run.proxies]
            # One that was passed on is the round before, which it agrees with whatever it is.
            trained = [one for one in found if not one.get("passed_on")]
            labelled = scores_by_seed(group, round_id, "dice")
            checks = {name: _mean([run.checks.get(name) for run in group]) for name in group[0].checks}
            lines.append(
                {
                    **_named(setting), "round": round_id, "seeds": len(found),
                    "pseudo_target_dice": _mean([one.get("pseudo_target_dice") for one in found]),
                    "fold_agreement": _mean([one.get("fold_agreement") for one in found]),
                    "round_agreement": _mean([one.get("round_agreement") for one in trained]),
                    "doubtful": _mean(
                        [one["doubtful"] / one["pseudo_labelled"] for one in found if one.get("pseudo_labelled")]
                    ),
                    **checks,
                    "dice": float(np.mean([part.mean() for part in labelled])) if labelled else np.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else np.nan


def quantile_table(runs: Sequence[Run], percents: Sequence[float] = PERCENTS) -> pd.DataFrame:
    """Table III: percentiles of the last round over the cases of all seeds, ASSD from the other end; mean and SD."""
    lines = []
    for setting, group in group_runs(runs).items():
        for metric in METRICS:
            figures = _figures(group, group[0].last, metric)
            values = np.concatenate(scores_by_seed(group, group[0].last, metric))
            for percent in percents:
                at = quality(metric, percent)
                line = {"metric": metric, "percentile": at, "value": float(np.percentile(values, at))}
                lines.append({**_named(setting), **line, "mean": figures["mean"], "sd": figures["sd"]})
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
        check_paired(first, second)
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
                        "p_seeds": result.p_seeds, "pairs": result.pairs, "seeds": result.seeds, "crossed": same,
                    }
                )  # fmt: skip
    return pd.DataFrame(lines)


def label(setting: tuple[str, str, int, str]) -> str:
    """A setting in words: `cyclegan A, gba`; a retraining other than the first is numbered."""
    translation, centre, retraining, arm = setting
    if translation == NO_TRANSLATION:
        return "no adaptation" if arm == "none" else f"no translation, {arm}"
    return f"{label_of_translation((translation, centre, retraining))}, {arm}"


def label_of_translation(which: tuple[str, str, int]) -> str:
    """A translation in words: `cyclegan A run 2`; a retraining other than the first is numbered."""
    translation, centre, retraining = which
    return " ".join(part for part in (translation, centre, f"run {retraining}" if retraining else "") if part)


def _named(setting: tuple[str, str, int, str]) -> dict[str, Any]:
    return dict(zip(SETTING, setting, strict=True))


def _figures(
    runs: Sequence[Run], round_id: str, metric: str, chosen: Callable[[CaseScore], bool] = lambda row: True
) -> dict[str, Any]:
    """Mean of the seeds' means, SD over the cases of all seeds (ddof = 1), interval, counts, the seed's part."""
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
        **{f"under_{bound:g}": int((values < bound).sum()) for bound in runs[0].low_dice if metric == "dice"},
    }
