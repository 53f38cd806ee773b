"""From the metrics of the rounds to those of a run, and their table (METHOD 7).

The metrics of a round (metrics/round_r.json) are `summary.summarise`'s dict, one entry a structure, beside what the
stage adds: `converged` (bool), `passed_on` (true where the round was not trained because an earlier one had
converged), `agreement` (Dice of the pseudo-labels with the round before), ... Only entries with a `dice` in them are
structures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from gbaseg.evaluation.settings import LOW_DICE
from gbaseg.evaluation.summary import DECIMALS, low_key
from gbaseg.evaluation.text import number, plain_console, plain_table

Rounds = Sequence[tuple[str, Mapping[str, Any]]]
ALL_CENTRES = "all"


def structures_of(metrics: Mapping[str, Any]) -> list[str]:
    """The structures that the metrics of a round hold scores of."""
    return [name for name, value in metrics.items() if isinstance(value, Mapping) and "dice" in value]


def proxies_of(structure: str, proxies: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics/proxies/round_r.json says of one structure: that of the first stands at its top.

    `round_agreement` is of all structures together, whichever is asked for.
    """
    known = {key: value for key, value in proxies.items() if key not in ("others", "pseudo_target")}
    held_out = proxies.get("pseudo_target", {}).get(structure, {}).get("dice", {}).get("mean")
    return {**known, **proxies.get("others", {}).get(structure, {}), "pseudo_target_dice": held_out}


def summarise_rounds(
    rounds: Rounds,
    structure: str = "tumour",
    facts: Mapping[str, Any] | None = None,
    low_dice: float = LOW_DICE[0],
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """The metrics of a run (metrics/summary.json): flat, few keys, so that `dvc exp show` reads well.

    Args:
        rounds: (round, its metrics), in order.
        structure: whose scores are the run's headline.
        facts: what else stands beside them (arm, translation mode, seed ...); put first.
        low_dice: the threshold whose count is shown.
        others: more structures, whose means stand behind.

    Returns:
        Scores of the last round, its gain in mean Dice over the first, rounds trained, whether they
        converged. Scores are None where the last round has none.
    """
    end = rounds[-1][1] if rounds else {}
    last = end.get(structure, {})
    first = rounds[0][1].get(structure, {}) if rounds else {}
    final_dice, first_dice = _mean(last, "dice"), _mean(first, "dice")
    gain = None if final_dice is None or first_dice is None else round(final_dice - first_dice, DECIMALS)
    return {
        **(facts or {}),
        "dice_mean": final_dice,
        "dice_sd": last.get("dice", {}).get("sd"),
        "dice_median": last.get("dice", {}).get("median"),
        "assd_mm_mean": _mean(last, "assd_mm"),
        low_key(low_dice): last.get(low_key(low_dice)),
        "cases": last.get("cases", 0),
        "dice_gain_over_first_round": gain,
        "rounds_trained": sum(not metrics.get("passed_on", False) for _, metrics in rounds),
        "converged": any(bool(metrics.get("converged")) for _, metrics in rounds),
        **{f"{name}_dice_mean": _mean(end.get(name, {}), "dice") for name in others},
        **{f"{name}_assd_mm_mean": _mean(end.get(name, {}), "assd_mm") for name in others},
    }


def rounds_rows(rounds: Rounds) -> pd.DataFrame:
    """Rows for `dvc plots`: round, structure, centre (each, and "all"), dice_mean, assd_mean (mm)."""
    lines: list[tuple[Any, ...]] = []
    for name, metrics in rounds:
        for structure in structures_of(metrics):
            scores = metrics[structure]
            lines.append((name, structure, ALL_CENTRES, _mean(scores, "dice"), _mean(scores, "assd_mm")))
            lines.extend(
                (name, structure, centre, means["dice"], means["assd_mm"])
                for centre, means in scores["per_centre"].items()
            )
    return pd.DataFrame(lines, columns=["round", "structure", "centre", "dice_mean", "assd_mean"])


def write_rounds(rounds: Rounds, path: str | Path) -> None:
    """Write `rounds_rows` as CSV."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    rounds_rows(rounds).to_csv(path, index=False, lineterminator="\n")


def print_rounds_table(
    rounds: Rounds, console: Console | None = None, low_dice: float = LOW_DICE[0], tumour: str = "tumour"
) -> None:
    """Print one table a structure, `tumour` first, one line a round: mean ± SD (ddof = 1), median, failures, stop.

    Without scores in any round it says so, and shows what is known without labels: `agreement` of the pseudo-labels
    with the round before, and Dice on held-out folds, where `proxies` stands in a round's metrics.
    """
    console = console or plain_console()
    found = dict.fromkeys(name for _, metrics in rounds for name in structures_of(metrics))
    structures = sorted(found, key=lambda name: name != tumour)
    for structure in structures:
        table = plain_table(f"Rounds of self-training: {structure}")
        for heading in ("round", "cases", "Dice", "median", "ASSD (mm)", "median", f"< {low_dice:g}"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("converged", no_wrap=True)
        for name, metrics in rounds:
            scores = metrics.get(structure, {})
            dice, assd_mm = scores.get("dice", {}), scores.get("assd_mm", {})
            table.add_row(
                name, str(scores.get("cases", "–")), _mean_sd(dice, 3), number(dice.get("median"), 3),
                _mean_sd(assd_mm, 2), number(assd_mm.get("median"), 2), str(scores.get(low_key(low_dice), "–")),
                _state(metrics),
            )  # fmt: skip
        console.print(table)
    if structures:
        console.print(f"mean ± SD over the cases; < {low_dice:g}: cases with a lower Dice")
        return
    proxies = [metrics.get("proxies", {}) for _, metrics in rounds]
    structures = list(dict.fromkeys([tumour, *(name for one in proxies for name in one.get("others", {}))]))
    for structure in structures:
        table = plain_table(f"Rounds without labels to score with: {structure}")
        for heading in ("round", "pseudo-target", "folds", "rounds", "doubtful"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("converged", no_wrap=True)
        for name, metrics in rounds:
            known = proxies_of(structure, metrics.get("proxies", {}))
            doubtful = f"{known['doubtful']} of {known['pseudo_labelled']}" if "doubtful" in known else "–"
            table.add_row(
                name, number(known.get("pseudo_target_dice"), 3), number(known.get("fold_agreement"), 3),
                number(metrics.get("agreement"), 3), doubtful, _state(metrics),
            )  # fmt: skip
        console.print(table)
    of_all = ", of all structures" if len(structures) > 1 else ""
    console.print(
        f"Dice: on held-out pseudo-target images, of the folds with each other, with the round before{of_all}"
    )
    console.print("None of it is the Dice on the target.")


def print_scores(metrics: Mapping[str, Any], console: Console | None = None) -> None:
    """Print `summary.summarise`'s dict, one line a structure; at 80 columns only a long name takes a second one."""
    console = console or plain_console()
    table = plain_table("Scores")
    table.add_column("structure", overflow="fold")
    for heading in ("cases", "Dice", "median", "ASSD (mm)", "median", "empty"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in structures_of(metrics):
        scores = metrics[name]
        table.add_row(
            name, str(scores["cases"]), _mean_sd(scores["dice"], 3), number(scores["dice"]["median"], 3),
            _mean_sd(scores["assd_mm"], 2), number(scores["assd_mm"]["median"], 2),
            str(scores["empty_predictions"]),
        )  # fmt: skip
    console.print(table)
    console.print("mean ± SD over the cases; empty: cases with an empty prediction")
    for name in structures_of(metrics):
        if left_out := metrics[name]["empty_references"]:
            console.print(f"{name}: {left_out} more, without a reference, not scored")


def _state(metrics: Mapping[str, Any]) -> str:
    if metrics.get("found_nothing") and not metrics.get("passed_on"):
        return "finds nothing"
    if metrics.get("translation_failed"):
        return "failed"
    return "passed on" if metrics.get("passed_on") else "yes" if metrics.get("converged") else "no"


def _mean(scores: Mapping[str, Any], metric: str) -> float | None:
    return scores.get(metric, {}).get("mean")


def _mean_sd(statistics: Mapping[str, float | None] | None, decimals: int) -> str:
    if not statistics or statistics["mean"] is None:
        return "–"
    spread = "" if statistics["sd"] is None else f" ± {number(statistics['sd'], decimals)}"
    return number(statistics["mean"], decimals) + spread
