"""Plots of a run, for `dvc plots` (PNG) and for print (PDF, SVG). Every function returns a `Figure`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from gbaseg.evaluation.drawing import COLOURS, MARKERS, PAGE_INCHES, new_figure, styled
from gbaseg.evaluation.summary import CaseScore

_DASHED = (0, (5, 2))


@styled
def dice_assd_by_round(rounds: Sequence[tuple[str, Sequence[CaseScore]]], structure: str = "tumour") -> Figure:
    """Dice and ASSD of each case and their means, by round and centre.

    An empty prediction's ASSD (`evaluation.empty_assd_mm`) is no distance: it stands as a cross above the others and is
    left out of the mean line, which the legend says. The ASSD's axis is logarithmic where the largest is over ten
    times the median.

    Args:
        rounds: (round, scores of its cases), in order.
        structure: whose scores are drawn; cases with an empty reference have none and are left out.
    """
    chosen = [[row for row in rows if row.structure == structure and not math.isnan(row.dice)] for _, rows in rounds]
    everyone = [row for rows in chosen for row in rows]
    styles = list(zip(sorted({row.centre for row in everyone}), cycle(COLOURS), cycle(MARKERS), strict=False))
    figure, crosses_mm = score_axes(everyone, structure, "Round of self-training", [name for name, _ in rounds])
    dice_axes, assd_axes = figure.axes
    _draw_scores(dice_axes, [[(row, row.dice) for row in rows] for rows in chosen], styles)
    _draw_scores(
        assd_axes,
        [[(row, crosses_mm if is_empty(row) else row.assd_mm) for row in rows] for rows in chosen],
        styles,
        skip_empty=True,
    )

    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4, linewidth=1.3, label=f"centre {centre}: cases, mean")
        for centre, colour, marker in styles
    ]
    if len(styles) > 1:
        handles.append(Line2D([], [], color="black", linewidth=1.3, linestyle=_DASHED, label="mean of all cases"))
    if any(is_empty(row) for row in everyone):
        label = f"empty prediction (ASSD {penalty(everyone)}, not in its mean)"
        handles.append(Line2D([], [], color="0.3", marker="x", linestyle="none", markersize=5, label=label))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=3 if len(handles) == 3 else 2)
    return figure


def score_axes(rows: Sequence[CaseScore], structure: str, xlabel: str, ticks: Sequence[str]) -> tuple[Figure, float]:
    """A figure with axes for Dice and ASSD, scaled to `rows`, and the height in mm of empty predictions' crosses."""
    figure = new_figure(PAGE_INCHES, 3.0)
    dice_axes, assd_axes = figure.subplots(1, 2)
    for axes in (dice_axes, assd_axes):
        axes.set(xlabel=xlabel, xlim=(-0.5, max(len(ticks), 1) - 0.5))
        axes.set_xticks(range(len(ticks)), ticks)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        if not rows:
            axes.grid(False)
            axes.text(0.5, 0.5, "no labels to score with", transform=axes.transAxes, ha="center", color="0.4")
    dice_axes.set(ylabel=f"Dice ({structure})", ylim=(-0.03, 1.03))
    assd_axes.set_ylabel(f"ASSD in mm ({structure})")
    return figure, _scale_assd(assd_axes, rows)


def is_empty(row: CaseScore) -> bool:
    """Whether nothing was predicted: its ASSD is a convention, no distance."""
    return row.predicted_mm3 == 0


def penalty(rows: Iterable[CaseScore]) -> str:
    """What empty predictions count as ASSD, in words: `350 mm`."""
    return " or ".join(f"{mm:g} mm" for mm in sorted({row.assd_mm for row in rows if is_empty(row)}))


def _scale_assd(axes: Axes, rows: Sequence[CaseScore]) -> float:
    """Scale the ASSD's axis to the predictions that are not empty; returns the height in mm of the others' crosses."""
    values = [row.assd_mm for row in rows if not is_empty(row)]
    largest = max(values, default=0.0) or 1.0
    if values and min(values) > 0 and largest > 10 * np.median(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(min(values) / 1.3, largest * 1.9)
        return largest * 1.5
    axes.set_ylim(0.0, largest * 1.15)
    return largest * 1.09


def _draw_scores(
    axes: Axes,
    rounds: Sequence[Sequence[tuple[CaseScore, float]]],
    styles: Sequence[tuple[str, str, str]],
    skip_empty: bool = False,
) -> None:
    """Points of the cases, each centre in its own lane beside the round's tick, and lines through the means."""
    lane = 0.7 / max(1, len(styles))
    for number, (centre, colour, marker) in enumerate(styles):
        offset = (number - (len(styles) - 1) / 2) * lane
        for position, scores in enumerate(rounds):
            mine = sorted((pair for pair in scores if pair[0].centre == centre), key=lambda pair: pair[0].case)
            # A case keeps its place within the lane from round to round.
            places = position + offset + 0.7 * lane * (np.arange(len(mine)) + 0.5 - len(mine) / 2) / max(1, len(mine))
            for empty, look in (
                (False, {"marker": marker, "s": 10, "linewidths": 0.0, "alpha": 0.45}),
                (True, {"marker": "x", "s": 16, "linewidths": 1.0, "alpha": 0.9}),
            ):
                drawn = [
                    (place, value) for place, (row, value) in zip(places, mine, strict=True) if is_empty(row) == empty
                ]
                axes.scatter(*np.reshape(drawn, (-1, 2)).T, color=colour, clip_on=False, zorder=2, **look)  # type: ignore[arg-type]
        means = [_mean([pair for pair in scores if pair[0].centre == centre], skip_empty) for scores in rounds]
        axes.plot(np.arange(len(rounds)) + offset, means, color=colour, marker=marker, markersize=4.5, linewidth=1.3,
                  markeredgecolor="white", markeredgewidth=0.6, zorder=4)  # fmt: skip
    if len(styles) > 1:
        means = [_mean(scores, skip_empty) for scores in rounds]
        axes.plot(range(len(rounds)), means, color="black", linewidth=1.3, linestyle=_DASHED, zorder=3)


def _mean(scores: Sequence[tuple[CaseScore, float]], skip_empty: bool) -> float:
    values = [value for row, value in scores if not (skip_empty and is_empty(row))]
    return float(np.mean(values)) if values else math.nan
