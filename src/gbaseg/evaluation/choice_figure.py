"""Scores without labels against the Dice: a point a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gbaseg.evaluation.drawing import COLOURS, MARKERS, PAGE_INCHES, new_figure, styled
from gbaseg.evaluation.run_choice import Correlation, KnownRun, chosen, rank_correlation

_COLUMNS = 3


@styled
def scores_against_dice(runs: Sequence[KnownRun], scores: Mapping[str, str]) -> Figure:
    """A panel a score: the score of each run, and its Dice on the target.

    Arms differ in colour and marker. A run that has collapsed is a cross at the scores that it has; it is never chosen.
    A ring is around the run that the score chooses (several share it where their scores are equal). Above a panel:
    Spearman's rank correlation over all runs, with its interval.

    Args:
        runs: those without a Dice, or a score, are left out.
        scores: name -> its words, panel by panel.
    """
    rows = math.ceil(max(1, len(scores)) / _COLUMNS)
    figure = new_figure(PAGE_INCHES, 0.6 + 2.1 * rows)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for empty in panels[len(scores) :]:
        empty.set_axis_off()
    styles = dict(zip(dict.fromkeys(run.arm for run in runs), cycle(zip(COLOURS, MARKERS, strict=True)), strict=False))
    labelled = [run for run in runs if not math.isnan(run.dice)]
    for axes, (name, words) in zip(panels, scores.items(), strict=False):
        _draw(axes, [run for run in labelled if not math.isnan(run.scores.get(name, math.nan))], name, styles)
        axes.set(xlabel=words, xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        found = rank_correlation([run.score(name) for run in labelled], [run.dice for run in labelled])
        axes.set_title(_in_words(found), fontsize=7.5)
    for first in panels[::_COLUMNS]:
        first.set_ylabel("Dice on the target")
    if not labelled:
        panels[0].text(0.5, 0.5, "no labels to score with", ha="center", color="0.4")
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4, linestyle="none", label=arm)
        for arm, (colour, marker) in styles.items()
    ]
    if any(run.collapsed for run in labelled):
        handles.append(_mark("x", "collapsed: never chosen"))
    handles.append(_mark("o", "chosen by the score", markerfacecolor="none", markersize=8))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw(axes: Axes, runs: Sequence[KnownRun], name: str, styles: Mapping[str, tuple[str, str]]) -> None:
    for run in runs:
        colour, marker = styles[run.arm]
        shape: Any = {"marker": "x", "linewidths": 1.2} if run.collapsed else {"marker": marker, "linewidths": 0.0}
        axes.scatter(run.scores[name], run.dice, s=22, color=colour, clip_on=False, zorder=3, **shape)
    for run in chosen(runs, name):
        ring: Any = {"s": 90, "facecolors": "none", "edgecolors": "0.2", "linewidths": 0.9}
        axes.scatter(run.scores[name], run.dice, clip_on=False, zorder=4, **ring)


def _mark(marker: str, label: str, **look: object) -> Line2D:
    return Line2D([], [], color="0.3", marker=marker, linestyle="none", label=label, **{"markersize": 5, **look})  # type: ignore[arg-type]


def _in_words(found: Correlation) -> str:
    if math.isnan(found.rho):
        return f"{found.runs} runs"
    return f"ρ = {found.rho:.2f} [{found.low:.2f}, {found.high:.2f}]".replace("-", "−")
