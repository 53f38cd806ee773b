"""Box plots of the scores by arm (Fig. 10)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gbaseg.evaluation.drawing import BLUE, MARKERS, VERMILLION, styled
from gbaseg.evaluation.figures import is_empty, penalty, score_axes
from gbaseg.evaluation.summary import CaseScore

_COLOURS = (BLUE, VERMILLION)  # first round, last round
_BOX_WIDTH = 0.34  # of the distance between two arms
_GOLDEN = (math.sqrt(5) - 1) / 2


@styled
def score_boxes(arms: Mapping[str, Mapping[str, Sequence[CaseScore]]]) -> Figure:
    """Fig. 10: Dice and ASSD by arm, first and last round side by side, each case a dot.

    Boxes are quartiles and median, whiskers reach to the last case within 1.5 times the box's height, a diamond is
    the mean. An empty prediction's ASSD (`evaluation.empty_assd_mm`) is no distance: it stands as a cross above the
    others and is left out of its box and mean, which the legend says. The ASSD's axis is logarithmic where the largest
    is over ten times the median.

    Args:
        arms: arm -> round -> scores of its cases, all of one structure; arms from left to right, rounds in order.
            Of an arm with one round that round is drawn, as the first. Cases with an empty reference have no score
            and are left out.

    Raises:
        ValueError: scores of several structures.
    """
    structures = sorted({row.structure for rounds in arms.values() for rows in rounds.values() for row in rows})
    if len(structures) > 1:
        raise ValueError(f"scores of several structures: {', '.join(structures)}")
    structure = structures[0] if structures else "tumour"
    ends = [_first_and_last(rounds) for rounds in arms.values()]
    everyone = [row for pair in ends for rows in pair for row in rows]
    ticks = [_tick(arm, pair) for arm, pair in zip(arms, ends, strict=True)]
    figure, crosses_mm = score_axes(everyone, structure, "Arm", ticks)
    dice_axes, assd_axes = figure.axes
    places = _places_in_lane(everyone)
    for position, pair in enumerate(ends):
        for end, rows in enumerate(pair):
            lane = position + (end - 0.5) * 1.12 * _BOX_WIDTH
            at = np.array([lane + places[row.case] for row in rows])
            empty = np.array([is_empty(row) for row in rows], dtype=bool)
            dices, assds_mm = np.array([row.dice for row in rows]), np.array([row.assd_mm for row in rows])
            _draw_box(dice_axes, lane, dices, end)
            _draw_box(assd_axes, lane, assds_mm[~empty], end)
            _draw_cases(dice_axes, at, dices, empty, end)
            _draw_cases(assd_axes, at, np.where(empty, crosses_mm, assds_mm), empty, end)
    handles = _handles(ends)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if len(handles) == 4 else 3)
    return figure


def _first_and_last(rounds: Mapping[str, Sequence[CaseScore]]) -> list[list[CaseScore]]:
    """Cases with a score in the first round and, where there is another, in the last."""
    names = list(rounds)
    ends = names[:1] + names[1:][-1:]
    return [[row for row in rounds[name] if not math.isnan(row.dice)] for name in ends]


def _tick(arm: str, ends: Sequence[Sequence[CaseScore]]) -> str:
    numbers = dict.fromkeys(len(rows) for rows in ends)
    # Translation above arm: side by side the names of four would lie over one another.
    name = arm.replace(", ", "\n")
    return f"{name}\n(n = {', '.join(map(str, numbers)) or 0})"


def _places_in_lane(rows: Sequence[CaseScore]) -> dict[str, float]:
    """Case -> its offset from the middle of every box: the same in all arms and rounds, and in every drawing.

    Multiples of the golden ratio spread any run of cases over the width, those of one centre too.
    """
    cases = sorted({row.case for row in rows})
    return {case: 0.8 * _BOX_WIDTH * ((number * _GOLDEN + 0.5) % 1.0 - 0.5) for number, case in enumerate(cases)}


def _draw_box(axes: Axes, lane: float, values: np.ndarray, end: int) -> None:
    if not values.size:
        return
    colour = _COLOURS[end]
    axes.boxplot(
        [values], positions=[lane], widths=_BOX_WIDTH, manage_ticks=False, patch_artist=True, showmeans=True,
        showfliers=False,  # every case is a dot already
        boxprops={"facecolor": f"{colour}22", "edgecolor": colour, "linewidth": 0.9},
        whiskerprops={"color": colour, "linewidth": 0.9}, capprops={"color": colour, "linewidth": 0.9},
        medianprops={"color": "black", "linewidth": 1.2},
        meanprops={"marker": "D", "markersize": 4, "markerfacecolor": "white", "markeredgecolor": "black"},
        zorder=3,
    )  # fmt: skip


def _draw_cases(axes: Axes, at: np.ndarray, values: np.ndarray, empty: np.ndarray, end: int) -> None:
    dots: Any = {"color": _COLOURS[end], "clip_on": False, "zorder": 2.5}
    axes.scatter(at[~empty], values[~empty], marker=MARKERS[end], s=8, linewidths=0.0, alpha=0.5, **dots)
    axes.scatter(at[empty], values[empty], marker="x", s=16, linewidths=1.0, alpha=0.9, **dots)


def _handles(ends: Sequence[Sequence[Sequence[CaseScore]]]) -> list[Line2D]:
    everyone = [row for pair in ends for rows in pair for row in rows]
    if not everyone:
        return []
    handles = [
        Line2D([], [], color=_COLOURS[end], marker=MARKERS[end], markersize=4, linewidth=1.3, label=label)
        for end, label in enumerate(("first round: cases, box", "last round: cases, box"))
        if any(len(pair) > end for pair in ends)
    ]
    handles.append(
        Line2D([], [], color="black", marker="D", markerfacecolor="white", markersize=4, linestyle="none", label="mean")
    )
    if any(is_empty(row) for row in everyone):
        label = f"empty prediction (ASSD {penalty(everyone)}, not in the ASSD's box and mean)"
        handles.append(Line2D([], [], color="0.3", marker="x", linestyle="none", markersize=5, label=label))
    return handles
