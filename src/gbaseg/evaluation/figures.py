"""Plots of a run, for `dvc plots` (PNG) and for print (PDF, SVG). Every function returns a `Figure`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from scipy.stats import gaussian_kde

from gbaseg.evaluation.drawing import BLUE, COLOURS, MARKERS, PAGE_INCHES, VERMILLION, new_figure, styled
from gbaseg.evaluation.settings import EMPTY_ASSD_MM
from gbaseg.evaluation.summary import CaseScore

_DASHED, _DOTTED = (0, (5, 2)), (0, (1, 1.2))


@styled
def dice_assd_by_round(rounds: Sequence[tuple[str, Sequence[CaseScore]]], structure: str = "tumour") -> Figure:
    """Dice and ASSD of each case and their means, by round and centre.

    An empty prediction's ASSD (350 mm by convention) is no distance: it stands as a cross above the others and is
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
        label = f"empty prediction (ASSD {EMPTY_ASSD_MM:g} mm, not in its mean)"
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


class Appearance(NamedTuple):
    """Tumours of a set: mean intensity inside each, in [0, 1], and volume in mm3; one value a tumour."""

    mean_intensity: Sequence[float]
    volume_mm3: Sequence[float]


@styled
def appearance_density(before: Appearance, after: Appearance, target: Appearance, structure: str = "tumour") -> Figure:
    """Fig. 7: density of the tumours' mean intensity and volume (Gaussian kernels, Scott's bandwidth).

    Args:
        before: the pseudo-target set.
        after: the same set with its GBA copies.
        target: the pseudo-labelled target.
        structure: what they are the tumours of, in the axes' words.

    Below the axis each tumour is a tick. A set of fewer than 3 tumours, or of equal values, has ticks alone.
    Volumes are on a log scale, and so is their density: per decade.
    """
    figure = new_figure(PAGE_INCHES, 2.7)
    intensity_axes, volume_axes = figure.subplots(1, 2)
    sets: tuple[tuple[str, Appearance, str, Any], ...] = (
        ("before GBA", before, BLUE, _DASHED),
        ("after GBA", after, VERMILLION, "-"),
        ("target, pseudo-labels", target, "black", _DOTTED),
    )
    handles = []
    for row, (name, appearance, colour, style) in enumerate(sets):
        intensity = np.asarray(appearance.mean_intensity, dtype=float)
        volume_mm3 = np.asarray(appearance.volume_mm3, dtype=float)
        _draw_density(intensity_axes, intensity, colour, style, row, limits=(0.0, 1.0))
        _draw_density(volume_axes, np.log10(volume_mm3[volume_mm3 > 0]), colour, style, row)
        label = f"{name} (n = {len(intensity)})"
        handles.append(Line2D([], [], color=colour, linestyle=style, linewidth=1.5, label=label))
    for axes, label in ((intensity_axes, "Density"), (volume_axes, "Density per decade")):
        top = 1.08 * max((float(np.max(line.get_ydata())) for line in axes.lines), default=1.0)
        axes.set_ylim(-0.2 * top, top)  # room for three rows of ticks
        places = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, top) if axes.lines else []
        axes.set_yticks([place for place in places if 0 <= place <= top])
        axes.axhline(0, color="0.6", linewidth=0.6)
        axes.set_ylabel(label)
    intensity_axes.set_xlabel(f"Mean intensity inside the {structure} (0 to 1)")
    volume_axes.set_xlabel(f"{structure[:1].upper()}{structure[1:]} volume (mm³)")
    _label_powers_of_ten(volume_axes)
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _draw_density(
    axes: Axes,
    values: np.ndarray,
    colour: str,
    style: Any,
    row: int,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> None:
    values = values[np.isfinite(values)]
    # In parts of the axes' height, so that the rows keep their places whatever the density's scale.
    low = 0.11 - 0.05 * row
    axes.vlines(values, low, low + 0.04, color=colour, linewidth=0.8, alpha=0.8, transform=axes.get_xaxis_transform())
    if len(values) < 3 or np.ptp(values) < 1e-6:
        return
    density = gaussian_kde(values)
    reach = 3.0 * float(np.sqrt(density.covariance[0, 0]))
    places = np.linspace(max(limits[0], values.min() - reach), min(limits[1], values.max() + reach), 256)
    axes.plot(places, density(places), color=colour, linestyle=style, linewidth=1.5)
    axes.fill_between(places, density(places), color=colour, alpha=0.07, linewidth=0)


def _label_powers_of_ten(axes: Axes) -> None:
    """Label an axis of log10 values with the numbers themselves, at as many round ones as have room."""
    low, high = axes.get_xlim()
    decades = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        places = [decade + math.log10(step) for decade in decades for step in steps]
        places = [place for place in places if low <= place <= high]
        if len(places) >= 3:
            break
    axes.set_xticks(places, [f"{10**place:,.6g}" for place in places])
