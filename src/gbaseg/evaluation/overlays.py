"""Pictures of a case: slices with the contours of its masks (Fig. 9, and the panel of a case through every step)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from contourpy import contour_generator
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from scipy.ndimage import label

from gbaseg.evaluation.drawing import ORANGE, SKY, new_figure, styled

_MARGIN_MM = 5.0  # around a structure that is larger than the window asked for
OUTLINE = [withStroke(linewidth=2.0, foreground="black")]  # white letters and bars stay visible on a bright image


class PanelImage(NamedTuple):
    """One image of `case_panel`: title, slice (Y, X) in [0, 1], and masks (Y, X) or None."""

    title: str
    slice_yx: np.ndarray
    prediction: np.ndarray | None = None
    reference: np.ndarray | None = None

    @property
    def masks(self) -> list[np.ndarray]:
        """Those that there are, and are not empty."""
        return [mask for mask in (self.prediction, self.reference) if mask is not None and mask.any()]


def white(slices: Sequence[np.ndarray]) -> float:
    """The intensity that is shown as white: one of 200 voxels that are not air is brighter.

    Some bright voxels, or a modality whose range ends in few of them, leave the rest of a slice black otherwise.
    """
    shown = np.concatenate([np.ravel(one)[np.ravel(one) > 0] for one in slices])
    return float(np.percentile(shown, 99.5)) if shown.size else 1.0


def fitting(
    side_mm: float, masks: Sequence[np.ndarray], shape_yx: Sequence[int], spacing_yx_mm: Sequence[float]
) -> float:
    """The side of a window around masks (Y, X): what is asked for, or more, up to the slice's, where their
    largest piece needs it."""
    wanted_mm = side_mm
    for mask in masks:
        if mask.any():
            extent = (np.ptp(_largest_piece(mask), axis=0) + 1) * spacing_yx_mm
            wanted_mm = max(wanted_mm, float(extent.max()) + 2 * _MARGIN_MM)
    return max(side_mm, min(wanted_mm, *(count * step for count, step in zip(shape_yx, spacing_yx_mm, strict=True))))


@styled
def case_panel(
    images: Sequence[PanelImage],
    spacing_yx_mm: tuple[float, float] = (1.0, 1.0),
    zoom_mm: float | None = None,
    side_inches: float = 1.5,
) -> Figure:
    """A case through every step, side by side, with contours; each image from black at 0 to its own `white`.

    Args:
        images: from left to right, e.g. ceT1, pseudo-target, deconvolved, naive, GBA (each with the source label as
            `reference`), target with `prediction` and, where it exists, `reference`.
        spacing_yx_mm: pixel size in mm of all of them.
        zoom_mm: adds a second row, a window around the contours (the image's middle without one) of this side, or
            of one that they fit in.
        side_inches: width of an image.
    """
    rows = 1 if zoom_mm is None else 2
    if zoom_mm is not None:
        zoom_mm = max(fitting(zoom_mm, image.masks, image.slice_yx.shape, spacing_yx_mm) for image in images)
    height_mm, width_mm = (n * step for n, step in zip(images[0].slice_yx.shape, spacing_yx_mm, strict=True))
    side = side_inches
    figure = new_figure(side * len(images), side * height_mm / width_mm + (rows - 1) * side + 0.5)
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.03, wspace=0.0, hspace=0.0)  # type: ignore
    ratios = [height_mm / width_mm, 1.0][:rows]
    grid = figure.subplots(rows, len(images), squeeze=False, height_ratios=ratios)
    for column, image in enumerate(images):
        for row in range(rows):
            brightest = white([image.slice_yx])
            draw_slice(grid[row, column], image, spacing_yx_mm, brightest, linewidth=(0.8, 1.2)[row])
        grid[0, column].set_title(image.title)
        if zoom_mm is not None:
            box = _zoom(image, spacing_yx_mm, zoom_mm)
            grid[1, column].set(xlim=(box[0], box[0] + zoom_mm), ylim=(box[1] + zoom_mm, box[1]))
            grid[0, column].add_patch(
                Rectangle(box, zoom_mm, zoom_mm, fill=False, edgecolor="white", linewidth=0.6, linestyle=(0, (3, 2)))
            )
    for row, shown_mm in enumerate((width_mm, zoom_mm)[:rows]):
        draw_scale_bar(grid[row, 0], float(shown_mm or width_mm))
    handles = []
    if any(_drawn(image.reference) for image in images):
        handles.append(Line2D([], [], color=SKY, linewidth=1.5, linestyle=(0, (3, 1)), label="label"))
    if any(_drawn(image.prediction) for image in images):
        handles.append(Line2D([], [], color=ORANGE, linewidth=1.5, label="prediction"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def draw_slice(
    axes: Axes,
    image: PanelImage,
    spacing_yx_mm: tuple[float, float],
    brightest: float = 1.0,
    linewidth: float = 0.9,
) -> None:
    """A slice in grey, in mm, with the contours of its masks; no title. `brightest`: the intensity shown as white."""
    height, width = image.slice_yx.shape
    y_mm, x_mm = spacing_yx_mm
    axes.imshow(
        image.slice_yx, cmap="gray", vmin=0.0, vmax=brightest, interpolation="nearest",
        extent=(0.0, width * x_mm, height * y_mm, 0.0),
    )  # fmt: skip
    for mask, colour, style in ((image.prediction, ORANGE, "solid"), (image.reference, SKY, "dashed")):
        if mask is not None and mask.any():
            # One pixel of background around it: a mask at the image's edge keeps a closed contour.
            y = (np.arange(-1, height + 1) + 0.5) * y_mm
            x = (np.arange(-1, width + 1) + 0.5) * x_mm
            padded = np.pad(mask.astype(float), 1)
            # What `axes.contour` draws, and takes several times as long for.
            lines: Any = contour_generator(x, y, padded, name="mpl2014").lines(0.5)
            vertices, codes = map(np.concatenate, lines)
            look: Any = {"facecolors": "none", "edgecolors": colour, "linewidths": linewidth, "linestyles": style}
            axes.add_collection(PathCollection([Path(vertices, codes)], zorder=2, **look))
    axes.set(xlim=(0, width * x_mm), ylim=(height * y_mm, 0))
    # Not `xticks=[]`: one tick is made all the same, and measured for the layout.
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _drawn(mask: np.ndarray | None) -> bool:
    return mask is not None and bool(mask.any())


def _zoom(image: PanelImage, spacing_yx_mm: tuple[float, float], side_mm: float) -> tuple[float, float]:
    """Left and upper edge in mm of the window around the contours, kept within the image."""
    shape = image.slice_yx.shape
    union = np.zeros(shape, dtype=bool)
    for mask in image.masks:
        union |= mask.astype(bool)
    middle = middle_yx(union, spacing_yx_mm, side_mm)
    edges = [
        float(np.clip(at * step - side_mm / 2, 0.0, max(0.0, n * step - side_mm)))
        for at, step, n in zip(middle, spacing_yx_mm, shape, strict=True)
    ]
    return edges[1], edges[0]


def middle_yx(mask: np.ndarray, spacing_yx_mm: tuple[float, float], side_mm: float) -> np.ndarray:
    """Middle in pixels of a mask (Y, X), the image's without one. Of pieces further apart than a window of this side
    shows (two cochleas) the largest: between them there is nothing."""
    if not mask.any():
        return np.array(mask.shape) / 2
    inside = np.argwhere(mask)
    if ((np.ptp(inside, axis=0) + 1) * spacing_yx_mm > side_mm).any():
        inside = _largest_piece(mask)
    middle: np.ndarray = inside.mean(axis=0) + 0.5
    return middle


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """Its pixels (n, 2)."""
    pieces, _ = label(mask, np.ones((3, 3)))
    return np.argwhere(pieces == np.bincount(pieces[mask]).argmax())


def draw_scale_bar(axes: Axes, shown_mm: float) -> None:
    """A bar of 1, 2 or 5 times a power of ten, about a quarter of the width, in the lower left corner."""
    power = 10.0 ** math.floor(math.log10(shown_mm / 4))
    length = max(step * power for step in (1, 2, 5) if step * power <= shown_mm / 4)
    left = axes.get_xlim()[0] + 0.05 * shown_mm
    style: Any = {"color": "white", "transform": axes.get_xaxis_transform(), "path_effects": OUTLINE}
    axes.plot([left, left + length], [0.05, 0.05], linewidth=1.5, solid_capstyle="butt", **style)
    axes.text(left, 0.08, f"{length:g} mm", fontsize=6.5, va="bottom", **style)
