"""The paper's own Tables I to III and p-values, as further rows of ours where the rows are the same.

VS on CrossMoDA 2022: validation leaderboard, 64 cases, one run each (Tables I and II); test set (Table III).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gbaseg.evaluation.ranking import quality
from gbaseg.evaluation.score_tables import METRICS

Line = dict[str, Any]
# Mean and SD of Dice, mean and SD of ASSD (mm).
Figures = tuple[float, float, float, float]

STRUCTURE, PAPER = "VS", "paper"
CENTRES = {"A": "London", "B": "Tilburg", "both": "both"}
ARMS = ("none", "naive", "gba")
CASES = 64
# Table I, first segmentation stage: (centre, retraining as we count) -> by arm; one figure alone: the others are N/A.
TRANSLATIONS: dict[tuple[str, int], tuple[Figures, ...]] = {
    ("A", 0): ((0.679, 0.341, 7.853, 16.750), (0.789, 0.241, 3.267, 10.738), (0.832, 0.159, 1.315, 6.235)),
    ("A", 1): ((0.668, 0.280, 3.653, 10.857), (0.647, 0.293, 2.185, 6.341), (0.752, 0.202, 1.998, 4.196)),
    ("A", 2): ((0.711, 0.289, 2.856, 8.662), (0.812, 0.146, 0.667, 0.887), (0.816, 0.144, 0.638, 0.850)),
    ("B", 0): ((0.290, 0.338, 21.060, 34.855),),
    ("B", 1): ((0.284, 0.370, 38.803, 44.943),),
    ("B", 2): ((0.312, 0.321, 18.989, 33.111),),
    ("both", 0): ((0.243, 0.354, 27.559, 22.062),),
    ("both", 1): ((0.743, 0.233, 2.116, 7.419), (0.811, 0.150, 0.641, 0.617), (0.800, 0.173, 1.688, 8.628)),
    ("both", 2): ((0.474, 0.338, 7.714, 15.357), (0.594, 0.304, 2.743, 7.347), (0.612, 0.304, 4.060, 10.349)),
}  # fmt: skip
# Table II: (cases, number of the round) -> by arm.
ROUNDS: dict[tuple[str, int], tuple[Figures, ...]] = {
    ("all", 0): ((0.774, 0.220, 2.673, 9.795), (0.839, 0.126, 0.555, 0.586), (0.847, 0.114, 0.514, 0.510)),
    ("all", 1): ((0.780, 0.219, 3.647, 14.086), (0.859, 0.067, 0.459, 0.192), (0.862, 0.065, 0.444, 0.182)),
    ("all", 2): ((0.771, 0.237, 4.711, 16.324), (0.860, 0.066, 0.455, 0.189), (0.865, 0.062, 0.438, 0.184)),
    ("all", 3): ((0.823, 0.132, 0.598, 0.541), (0.864, 0.062, 0.447, 0.186), (0.868, 0.061, 0.431, 0.177)),
    ("< 720 mm3", 0): ((0.763, 0.100, 0.441, 0.192), (0.762, 0.112, 0.501, 0.337), (0.781, 0.080, 0.400, 0.144)),
    ("< 720 mm3", 3): ((0.748, 0.141, 0.482, 0.303), (0.801, 0.071, 0.366, 0.123), (0.806, 0.068, 0.349, 0.114)),
    ("> 5400 mm3", 0): ((0.786, 0.174, 1.096, 0.798), (0.890, 0.043, 0.585, 0.232), (0.893, 0.038, 0.571, 0.198)),
    ("> 5400 mm3", 3): ((0.802, 0.183, 0.991, 0.867), (0.901, 0.037, 0.537, 0.206), (0.905, 0.035, 0.513, 0.192)),
}  # fmt: skip
# Fig. 10: number of the round -> cases with Dice < 0.4 by arm.
UNDER_04 = {0: (3, 1, 1), 3: (2, 0, 0)}
# Paired t-tests of Dice in the first round.
P_T = {("none", "naive"): 0.044, ("none", "gba"): 0.021, ("naive", "gba"): 0.7}
# Table III, test set: from the worst case to the best, Dice and ASSD (mm).
TEST: Figures = (0.859, 0.066, 0.459, 0.252)
QUANTILES: dict[float, tuple[float, float]] = {
    0: (0.502, 1.945), 1: (0.637, 1.573), 5: (0.747, 0.934), 25: (0.831, 0.530), 50: (0.868, 0.417),
    75: (0.905, 0.293), 95: (0.937, 0.209), 99: (0.947, 0.178), 100: (0.962, 0.165),
}  # fmt: skip
NOTE = """Rows "paper": Sallé et al. on CrossMoDA 2022, validation (Tables I and II, 64 cases, one run) and test set
(Table III): other scans, and where the parameters are not the paper's, other budgets."""


def translations(lines: Sequence[Line]) -> list[Line]:
    """Table I: after the lines of each of our translations those of the paper's, in the first round.

    Args:
        lines: `tables.translation_table`'s.
    """
    arms = [arm for arm in ARMS if any(line["arm"] == arm for line in lines)]

    def beside(line: Line) -> list[Line]:
        figures = TRANSLATIONS.get((line["centre"], line["retraining"])) if line["translation"] == "cyclegan" else None
        if figures is None:
            return []
        where = {"translation": PAPER, "centre": CENTRES[line["centre"]], "retraining": line["retraining"] + 1}
        return [
            {**where, "arm": arm, "round": line["round"], **found}
            for arm in arms
            for found in _by_metric(_of_arm(figures, arm))
        ]

    return _interleaved(lines, lambda line: (line["translation"], line["centre"], line["retraining"]), beside)


def rounds(lines: Sequence[Line]) -> list[Line]:
    """Table II: after the lines of the first of our settings with an arm those of the paper's, of the same rounds.

    Args:
        lines: `tables.round_table`'s.
    """

    def beside(line: Line) -> list[Line]:
        arm = line["arm"]
        if not _first_of_its_arm(lines, line):
            return []
        order = list(dict.fromkeys(one["round"] for one in lines if _setting(one) == _setting(line)))
        groups = dict.fromkeys(one["cases_of"] for one in lines)
        added = []
        for number, round_id in enumerate(order):
            for cases_of in groups:
                for found in _by_metric(_of_arm(ROUNDS.get((cases_of, number), ()), arm)):
                    if cases_of == "all" and "under_0.4" in line and number in UNDER_04:
                        found["under_0.4"] = UNDER_04[number][ARMS.index(arm)]
                    added.append({**_setting_of_paper(arm), "round": round_id, "cases_of": cases_of, **found})
        return [one for one in added if one["cases"]]

    return _interleaved(lines, _setting, beside)


def quantiles(lines: Sequence[Line]) -> list[Line]:
    """Table III: after the lines of the first of our settings with arm `gba` the paper's.

    Args:
        lines: `tables.quantile_table`'s.
    """

    def beside(line: Line) -> list[Line]:
        if line["arm"] != "gba" or not _first_of_its_arm(lines, line):
            return []
        added = []
        for one in lines:
            if _setting(one) == _setting(line):
                which = list(METRICS).index(one["metric"])
                value = QUANTILES.get(quality(one["metric"], one["percentile"]), (math.nan, math.nan))[which]
                added.append(
                    {
                        **_setting_of_paper("gba"), "metric": one["metric"], "percentile": one["percentile"],
                        "value": value, "mean": TEST[2 * which], "sd": TEST[2 * which + 1],
                    }
                )  # fmt: skip
        return added

    return _interleaved(lines, _setting, beside)


def differences(lines: Sequence[Line]) -> list[Line]:
    """Differences in the first round: after each between two arms of one CycleGAN the paper's.

    Args:
        lines: `tables.difference_table`'s.
    """
    first = lines[0]["round"] if lines else ""

    def beside(line: Line) -> list[Line]:
        (mine, _, arm), (theirs, _, other) = line["first"].rpartition(", "), line["second"].rpartition(", ")
        if line["round"] != first or (arm, other) not in P_T or mine != theirs or not mine.startswith("cyclegan"):
            return []
        here, there = (ROUNDS["all", 0][ARMS.index(name)] for name in (arm, other))
        nothing = dict.fromkeys(("low", "high", "p_t", "p_wilcoxon", "p_seeds"), math.nan)
        return [
            {
                **nothing, "first": f"{PAPER}, {arm}", "second": f"{PAPER}, {other}", "round": first,
                "metric": metric, "difference": here[2 * which] - there[2 * which],
                "seeds": 1, "pairs": CASES, **({"p_t": P_T[arm, other]} if metric == "dice" else {}),
            }
            for which, metric in enumerate(METRICS)
        ]  # fmt: skip

    return _interleaved(lines, lambda line: (line["first"], line["second"], line["round"]), beside)


def _by_metric(figures: Figures | None) -> list[Line]:
    """Lines of Dice and of ASSD, as `tables` has them; `None`: N/A."""
    unknown = dict.fromkeys(("low", "high", "seed_sd"), math.nan)
    means = figures or (math.nan,) * 4
    return [
        {
            **unknown, "metric": metric, "mean": means[2 * which], "sd": means[2 * which + 1],
            "cases": CASES if figures else 0, "seeds": 1, "failed_seeds": 0,
        }
        for which, metric in enumerate(METRICS)
    ]  # fmt: skip


def _of_arm(figures: Sequence[Figures], arm: str) -> Figures | None:
    """`None`: N/A in the paper."""
    return dict(zip(ARMS, figures, strict=False)).get(arm)


def _setting(line: Line) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("translation", "centre", "retraining", "arm"))


def _setting_of_paper(arm: str) -> Line:
    return {"translation": PAPER, "centre": "", "retraining": 0, "arm": arm}


def _first_of_its_arm(lines: Sequence[Line], line: Line) -> bool:
    """Whether a line is of the first setting with a CycleGAN and an arm of the paper's."""
    ours = [one for one in lines if (one["translation"], one["arm"]) == ("cyclegan", line["arm"])]
    return line["arm"] in ARMS and bool(ours) and _setting(ours[0]) == _setting(line)


def _interleaved(lines: Sequence[Line], key: Callable[[Line], Any], beside: Callable[[Line], list[Line]]) -> list[Line]:
    """The lines, group by group, and after each group what stands beside its first line."""
    groups: dict[Any, list[Line]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return [one for group in groups.values() for one in (*group, *beside(group[0]))]
