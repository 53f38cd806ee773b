"""The tables of a study: arms side by side, and how well scores without labels choose among their runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from gbaseg.evaluation.run_choice import CONSENSUS, EQUAL, FOLDS, RULE
from gbaseg.evaluation.runs import REFERENCE, Run, reference_runs
from gbaseg.evaluation.tables import SETTING, label, round_table
from gbaseg.evaluation.text import number

SCORES = {
    RULE: "the rule: all agreements x plausible",
    CONSENSUS: "consensus of the runs",
    FOLDS: "agreement of folds x plausible",
    "fold_agreement": "agreement of folds",
    "round_agreement": "agreement with the round before",
    "plausible": "plausible volumes",
    "not_empty": "masks that are not empty",
    "pseudo_target_dice": "Dice on held-out pseudo-target",
}
# Of runs that share a score so many are named.
_NAMED = 3
_SIDES = ("mean", "low", "high")


def arm_table(runs: Sequence[Run], called: Mapping[tuple[str, str, int, str], str]) -> pd.DataFrame:
    """Every arm's last round, over all seeds and cases.

    Args:
        runs: all scored.
        called: setting -> what its arm is called; others go by their setting.

    Returns:
        Columns `arm`, `round`, `seeds`, `cases`, `dice_mean`, `dice_low`, `dice_high`, `dice_sd` (over cases),
        `dice_seed_sd` (over the seeds' means), counts `under_...`, `assd_mm_mean`, `assd_mm_low`, `assd_mm_high`,
        `gap_closed` (see `tables.round_table`). Below the arms the references.
    """
    last = {run.setting: run.last for run in runs}
    rows: dict[tuple[str, str, int, str], dict[str, Any]] = {}
    for line in round_table([*reference_runs(runs), *runs]).to_dict("records"):
        setting = tuple(line[name] for name in SETTING)
        is_last = setting[0] == REFERENCE or line["round"] == last[setting]
        if line["cases_of"] != "all" or not is_last:
            continue
        row = rows.setdefault(setting, {"arm": called.get(setting, label(setting)), "round": line["round"]})
        metric = line["metric"]
        row |= {f"{metric}_{side}": line[side] for side in _SIDES}
        if metric == "dice":
            row |= {"seeds": line["seeds"], "cases": line["cases"]}
            row |= {"dice_sd": line["sd"], "dice_seed_sd": line["seed_sd"], "gap_closed": line["gap_closed"]}
            row |= {key: value for key, value in line.items() if key.startswith("under_")}
    order = list(called)
    ranked = sorted(rows, key=lambda setting: (setting[0] == REFERENCE, _place(order, setting)))
    return pd.DataFrame([rows[setting] for setting in ranked])


def _place(order: Sequence[tuple[str, str, int, str]], setting: tuple[str, str, int, str]) -> int:
    return order.index(setting) if setting in order else len(order)


def lay_out_arms(table: pd.DataFrame) -> pd.DataFrame:
    """A row an arm, `mean [interval]` in a cell."""
    return pd.DataFrame(
        [
            {
                "arm": line["arm"], "seeds": str(line["seeds"]), "cases": str(line["cases"]),
                "Dice": _with_interval(*(line[f"dice_{side}"] for side in _SIDES)),
                "SD over cases": number(line["dice_sd"]), "SD over seeds": number(line["dice_seed_sd"]),
                **{f"< {key.removeprefix('under_')}": f"{line[key]:.0f}" for key in line if key.startswith("under_")},
                "ASSD (mm)": _with_interval(*(line[f"assd_mm_{side}"] for side in _SIDES)),
                "gap closed": "–" if math.isnan(line["gap_closed"]) else f"{line['gap_closed']:.0%}",
            }
            for line in table.to_dict("records")
        ]
    )  # fmt: skip


def lay_out_choice(table: pd.DataFrame) -> pd.DataFrame:
    """A row a score: how it ranks, what its choice would have cost, and whether to believe it."""
    return pd.DataFrame(
        [
            {
                "score": SCORES.get(line["score"], line["score"]), "runs": str(line["runs"]),
                "rank correlation": _with_interval(line["rho"], line["low"], line["high"], 2),
                "within a seed": _with_interval(line["seed_rho"], line["seed_low"], line["seed_high"], 2),
                "without failed runs": _with_interval(
                    line["working_rho"], line["working_low"], line["working_high"], 2
                ),
                "regret": number(line["regret"]), "regret within a seed": number(line["seed_regret"]),
                "it chooses": _chosen(line["chosen"]),
                "arm it chooses": _chosen(line["arm_chosen"]), "regret of the arm": number(line["arm_regret"]),
                "verdict": line["verdict"],
            }
            for line in table.to_dict("records")
        ]
    )  # fmt: skip


def lay_out_runs(table: pd.DataFrame) -> pd.DataFrame:
    """A row a run, the best by the rule first."""
    ordered = table.sort_values(["collapsed", RULE], ascending=[True, False], kind="stable")
    return pd.DataFrame(
        [
            {
                "run": line["run"],
                **{text: number(line[name]) for name, text in SCORES.items() if name in line},
                "collapsed": "collapsed" if line["collapsed"] else "",
                "Dice on the target": number(line["dice"]),
            }
            for line in ordered.to_dict("records")
        ]
    )


def _chosen(names: str) -> str:
    """What `choice_table` says of the chosen runs, short."""
    some = names.split(EQUAL)
    return "none" if not names else f"any of {len(some)} that are equal" if len(some) > _NAMED else names


def _with_interval(value: float, low: float, high: float, decimals: int = 3) -> str:
    if math.isnan(low):
        return number(value, decimals)
    return f"{number(value, decimals)} [{number(low, decimals)}, {number(high, decimals)}]".replace("-", "−")
