"""Long tables laid out for reading: one row a setting, `mean ± SD [interval]` in a cell; as Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from gbaseg.evaluation.ranking import quality_in_words
from gbaseg.evaluation.runs import NOT_RETRAINED
from gbaseg.evaluation.score_tables import METRICS
from gbaseg.evaluation.tables import SETTING, label
from gbaseg.evaluation.text import number

DECIMALS = {"dice": 3, "assd_mm": 3}
HEADINGS = {"dice": "Dice", "assd_mm": "ASSD (mm)"}
NOT_APPLICABLE = "N/A"
Beside = Callable[[Sequence[dict[str, Any]]], list[dict[str, Any]]]
_PROXY_COLUMNS = (
    *SETTING, "round", "seeds", "pseudo_target_dice", "fold_agreement", "round_agreement", "doubtful", "dice",
)  # fmt: skip
_LATEX = str.maketrans(
    {
        "±": r"$\pm$", "<": "$<$", ">": "$>$", "–": "--", "−": "$-$",
        "\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}",
        **{sign: f"\\{sign}" for sign in "%&_#${}"},
    }
)  # fmt: skip


def lay_out_translations(table: pd.DataFrame, beside: Beside = list) -> pd.DataFrame:
    """Table I: a row a translation and retraining, two columns an arm, `Dice; ASSD` in a cell.

    Args:
        table: long, as `tables` makes it; here and below.
        beside: adds lines to it, such as `paper.translations`; here and below.
    """
    rounds = list(dict.fromkeys(table["round"]))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for line in beside(table.to_dict("records")):
        trained = line["translation"] not in NOT_RETRAINED
        key = (f"{line['translation']} {line['centre']}".strip(), str(line["retraining"]) if trained else "–")
        row = rows.setdefault(key, {"translation": key[0], "run": key[1]})
        heading, failed = f"{line['arm']}, {line['round']}", line["failed_seeds"]
        if not line["cases"]:
            row[heading] = NOT_APPLICABLE
            continue
        cell = _mean_sd(line, line["metric"])
        row[heading] = f"{row[heading]}; {cell}" if heading in row else cell
        if line["metric"] == list(METRICS)[-1] and failed > 0:
            row[heading] += f" ({line['seeds']} of {line['seeds'] + failed} seeds)"
    arms = list(dict.fromkeys(table["arm"]))
    columns = ["translation", "run", *(f"{arm}, {name}" for arm in arms for name in rounds)]
    return pd.DataFrame(rows.values(), columns=columns).fillna("–")


def lay_out_rounds(table: pd.DataFrame, beside: Beside = list) -> pd.DataFrame:
    """Table II: a row a setting and round; Dice of all cases with its interval, failures, then each group."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for line in beside(table.to_dict("records")):
        row = rows.setdefault(
            (label_of(line), line["round"]),
            {"setting": label_of(line), "round": line["round"], "seeds": str(line["seeds"])},
        )
        everyone, dice = line["cases_of"] == "all", line["metric"] == "dice"
        heading = f"{HEADINGS[line['metric']]}{'' if everyone else ', ' + line['cases_of']}"
        row[heading] = _mean_sd(line, line["metric"]) + (_interval(line) if everyone and dice else "")
        if everyone and dice:
            row |= {"cases": str(line["cases"])} | {
                f"< {key.removeprefix('under_')}": f"{line[key]:.0f}" for key in line if key.startswith("under_")
            }
            row["SD over seeds"] = number(line["seed_sd"], 3)
            row["change over round before"] = _change(line)
            if not math.isnan(line.get("gap_closed", math.nan)):
                row["gap closed"] = f"{line['gap_closed']:.0%}"
    return pd.DataFrame(rows.values()).fillna("–")


def lay_out_proxies(table: pd.DataFrame) -> pd.DataFrame:
    """What is known without labels: a row a setting and round, each column named for what it is."""
    rows = []
    for line in table.to_dict("records"):
        checks = {name: value for name, value in line.items() if name not in _PROXY_COLUMNS}
        rows.append(
            {
                "setting": label_of(line), "round": line["round"], "seeds": str(line["seeds"]),
                "Dice on held-out pseudo-target (not the target)": number(line["pseudo_target_dice"], 3),
                "agreement of folds": number(line["fold_agreement"], 3),
                "agreement with round before": number(line["round_agreement"], 3),
                "doubtful": "–" if math.isnan(line["doubtful"]) else f"{line['doubtful']:.0%}",
                **{f"translation: {name.replace('_', ' ')}": number(value, 3) for name, value in checks.items()},
                "Dice on the target": number(line["dice"], 3),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def lay_out_quantiles(table: pd.DataFrame, beside: Beside = list) -> pd.DataFrame:
    """Table III: a row a setting, columns of a metric's mean and of its percentiles."""
    rows: dict[str, dict[str, str]] = {}
    for line in beside(table.to_dict("records")):
        row = rows.setdefault(label_of(line), {"setting": label_of(line)})
        metric = line["metric"]
        row[HEADINGS[metric]] = _mean_sd(line, metric)
        row[f"{METRICS[metric]} {quality_in_words(metric, line['percentile'])}"] = number(
            line["value"], DECIMALS[metric]
        )
    return pd.DataFrame(rows.values())


def lay_out_differences(table: pd.DataFrame, beside: Beside = list) -> pd.DataFrame:
    """Differences: a row a pair of settings and round, columns by metric."""
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for line in beside(table.to_dict("records")):
        key = (line["first"], line["second"], line["round"])
        row = rows.setdefault(
            key,
            {
                "difference": f"{key[0]} − {key[1]}", "round": key[2], "seeds": str(line["seeds"]),
                "pairs": str(line["pairs"]),
            },
        )  # fmt: skip
        name, decimals = HEADINGS[line["metric"]], DECIMALS[line["metric"]]
        row[name] = f"{_signed(line['difference'], decimals)}{_interval(line, decimals, _signed)}"
        row[f"{METRICS[line['metric']]}: p (t)"] = _p(line["p_t"])
        row[f"{METRICS[line['metric']]}: p (Wilcoxon)"] = _p(line["p_wilcoxon"])
        row[f"{METRICS[line['metric']]}: p (over seeds)"] = _p(line["p_seeds"])
    return pd.DataFrame(rows.values())


def label_of(line: dict) -> str:
    """The setting of one line of a long table, in words."""
    return label(tuple(line[name] for name in SETTING))  # type: ignore[arg-type]


def to_markdown(laid_out: pd.DataFrame) -> str:
    """GitHub's tables; cells are text as they stand."""
    cells = laid_out.map(_of_a_row).rename(columns=_of_a_row)
    return cells.to_markdown(index=False, disable_numparse=True)


def to_latex(laid_out: pd.DataFrame, caption: str, name: str) -> str:
    """A booktabs table with caption and label `tab:name`."""
    escaped = laid_out.map(_escaped).rename(columns=_escaped)
    return escaped.style.hide(axis="index").to_latex(
        hrules=True, caption=_escaped(caption), label=f"tab:{name}", column_format="l" * len(laid_out.columns)
    )


def _of_a_row(text: str) -> str:
    """Text of one cell: a bar would begin the next one."""
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    return text.translate(_LATEX)


def _change(line: dict) -> str:
    if math.isnan(line.get("change", math.nan)):
        return "–"
    return f"{_signed(line['change'], 3)} [{_signed(line['change_low'], 3)}, {_signed(line['change_high'], 3)}]"


def _mean_sd(line: dict, metric: str) -> str:
    if math.isnan(line["mean"]):
        return "–"
    spread = "" if math.isnan(line["sd"]) else f" ± {line['sd']:.{DECIMALS[metric]}f}"
    return f"{line['mean']:.{DECIMALS[metric]}f}{spread}"


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "−")


def _interval(line: dict, decimals: int = 3, shown: Callable[[float, int], str] = number) -> str:
    if math.isnan(line["low"]):
        return ""
    return f" [{shown(line['low'], decimals)}, {shown(line['high'], decimals)}]"


def _p(value: float) -> str:
    return "–" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
