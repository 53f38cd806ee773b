"""How tumours look before and after augmentation, and in the target: joint densities (Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gbaseg.augmentation.appearance import Appearance, density, overlap, places
from gbaseg.evaluation.drawing import BLUE, PAGE_INCHES, VERMILLION, new_figure, styled

# Shares of a set that its contours hold.
_SHARES = (0.9, 0.7, 0.5, 0.3, 0.1)
_OUTLINE = 0.7
_GRID = 96


@styled
def appearance_density(
    before: Sequence[Appearance], after: Sequence[Appearance], target: Sequence[Appearance], structure: str = "tumour"
) -> Figure:
    """Fig. 7: joint density of volume and mean intensity (Gaussian kernels, Scott's bandwidth), one axes a set.

    Each tumour is a dot, the contours hold 10 to 90 % of a set; the target's, of 70 %, is drawn over the others, and
    their titles say how much of the densities overlaps with its. A set of too few or equal tumours has dots alone.

    Args:
        before: a, the pseudo-target set.
        after: b, the same set with its copies.
        target: c, the pseudo-labelled target.
        structure: what they are, in the axes' words.
    """
    figure = new_figure(PAGE_INCHES, 2.8)
    axes_of = figure.subplots(1, 3, sharex=True, sharey=True)
    sets = (("a", "before", before, BLUE), ("b", "after", after, VERMILLION), ("c", "target", target, "black"))
    points = [places(group) for _, _, group, _ in sets]
    volume, mean = _range(np.concatenate([place[:, 0] for place in points]))
    grid = np.meshgrid(np.linspace(*volume, _GRID), np.linspace(*mean, _GRID))
    of_target = density(points[2])
    for axes, (letter, name, group, colour), place in zip(axes_of, sets, points, strict=True):
        axes.scatter(*place.T, s=7, color=colour, alpha=0.6, linewidths=0, zorder=3)
        _contours(axes, density(place), grid, colour)
        if group is not target:
            _contours(axes, of_target, grid, "black", shares=(_OUTLINE,), linestyles=[(0, (1, 1.2))])
        shared = math.nan if group is target else overlap(group, target)
        words = "" if math.isnan(shared) else f", overlap {shared:.2f}"
        axes.set_title(f"{letter}  {name} (n = {len(place)}){words}", loc="left")
    axes_of[0].set(xlim=volume, ylim=mean, ylabel=f"Mean intensity inside the {structure} (0 to 1)")
    axes_of[1].set_xlabel(f"{structure[:1].upper()}{structure[1:]} volume (mm³)")
    label_powers_of_ten(axes_of[0])
    line = Line2D([], [], color="black", linestyle=(0, (1, 1.2)), label=f"target, {_OUTLINE:.0%} of its tumours")
    figure.legend(handles=[line], loc="outside lower center")
    return figure


def _range(log_volumes: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """What the axes show: all volumes with a margin, all intensities."""
    if not log_volumes.size:
        return (1.0, 4.0), (0.0, 1.0)
    return (float(log_volumes.min()) - 0.6, float(log_volumes.max()) + 0.6), (0.0, 1.0)


def _contours(
    axes: Axes, kernels: Any, grid: Sequence[np.ndarray], colour: str, shares: Sequence[float] = _SHARES, **look: Any
) -> None:
    if kernels is None:
        return
    heights = kernels(np.stack([one.ravel() for one in grid])).reshape(grid[0].shape)
    # The height above which a share of the mass lies.
    falling = np.sort(heights.ravel())[::-1]
    mass = np.cumsum(falling) / falling.sum()
    levels = sorted({float(falling[np.searchsorted(mass, share)]) for share in shares})
    axes.contour(*grid, heights, levels=levels, colors=[colour], linewidths=0.9, **look)


def label_powers_of_ten(axes: Axes) -> None:
    """Label an axis of log10 values with the numbers themselves, at as many round ones as have room."""
    low, high = axes.get_xlim()
    decades = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        marks = [decade + math.log10(step) for decade in decades for step in steps]
        marks = [mark for mark in marks if low <= mark <= high]
        if len(marks) >= 3:
            break
    axes.set_xticks(marks, [f"{10**mark:,.6g}" for mark in marks])
