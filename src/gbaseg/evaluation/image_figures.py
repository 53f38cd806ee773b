"""Figures of images: translations (Fig. 4), intensities (Fig. 6), naive against GBA (Fig. 8), overlays (Fig. 9)."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import gaussian_filter1d

from gbaseg.evaluation.drawing import COLOURS, ORANGE, PAGE_INCHES, SKY, new_figure, styled
from gbaseg.evaluation.overlays import OUTLINE, PanelImage, draw_scale_bar, draw_slice, fitting, middle_yx, white

_BINS = 256
_BIN_MIDDLES = (np.arange(_BINS) + 0.5) / _BINS
_SMOOTHING = 0.01  # SD in intensity of the Gaussian over the histogram: 2.6 bins, against the comb of stored levels
_TOLERANCE = 1e-3  # above and below [0, 1]: rounding, not another scale
_LINE_STYLES: Any = ("solid", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)))
_WIDEST_INCHES = 1.7  # of one image; few columns make a narrower figure
_POINTS_A_LETTER = 4.9  # about the mean of DejaVu Sans at 8 points


class TranslationRow(NamedTuple):
    """A case of `translations_side_by_side`.

    `source`: slice (Y, X) in [0, 1]; `pseudo_targets`: label of a CycleGAN run ("A, run 0") -> its slice, same grid;
    `tumour`: mask (Y, X) of the source label, drawn on every slice; `spacing_yx_mm`: pixel size.
    """

    case: str
    source: np.ndarray
    pseudo_targets: Mapping[str, np.ndarray]
    tumour: np.ndarray | None = None
    spacing_yx_mm: tuple[float, float] = (1.0, 1.0)


class BlendingRow(NamedTuple):
    """A row of `naive_against_gba`: a case, or one lambda of a case, as `name` says.

    `pseudo_target`, `naive`, `gba`: slices (Y, X) in [0, 1]; `tumour`: mask (Y, X); `spacing_yx_mm`: pixel size.
    """

    name: str
    pseudo_target: np.ndarray
    naive: np.ndarray
    gba: np.ndarray
    tumour: np.ndarray | None = None
    spacing_yx_mm: tuple[float, float] = (1.0, 1.0)


class OverlayRow(NamedTuple):
    """A case of `segmentation_overlays`.

    `target`: slice (Y, X) in [0, 1]; `reference`: mask (Y, X), where there is one; `predictions`: round or arm ->
    mask (Y, X); `dice`: round or arm -> Dice of the whole case (not of the slice); `spacing_yx_mm`: pixel size.
    """

    case: str
    target: np.ndarray
    reference: np.ndarray | None
    predictions: Mapping[str, np.ndarray]
    dice: Mapping[str, float]
    spacing_yx_mm: tuple[float, float] = (1.0, 1.0)


@styled
def translations_side_by_side(
    cases: Sequence[TranslationRow], source: str = "ceT1", zoom_mm: float | None = None
) -> Figure:
    """Fig. 4: one row a case, its source slice and what each CycleGAN run makes of it, on one grey scale.

    Args:
        cases: from top to bottom. Columns are the runs of all of them in the order they first appear; the place of a
            run that did not translate a case stays empty.
        source: title of the first column.
        zoom_mm: shows a window of this side, or of one that the tumour fits in, around it (the slice's middle without
            one), not the whole slice.
    """
    runs = list(dict.fromkeys(run for case in cases for run in case.pseudo_targets))
    rows = []
    for case in cases:
        slices = [case.source, *(case.pseudo_targets.get(run) for run in runs)]
        images = [None if pixels is None else PanelImage("", pixels, reference=case.tumour) for pixels in slices]
        rows.append(_Row(case.case, images, case.spacing_yx_mm))
    return _image_grid([source, *runs], rows, zoom_mm)[0]


@styled
def intensity_distributions(samples: Mapping[tuple[str, str], Sequence[np.ndarray]]) -> Figure:
    """Fig. 6: densities of the intensities, one axes a modality; of a centre the mean of its cases, and one SD.

    A case's density is a histogram of 256 bins over [0, 1], smoothed by a Gaussian of SD 0.01; its area is 1.

    Args:
        samples: (modality, centre) -> of each case the intensities (n,) in [0, 1], background left out; cases without
            voxels are left out. Modalities are drawn in the order they first appear.

    Raises:
        ValueError: intensities outside [0, 1].
    """
    modalities = list(dict.fromkeys(modality for modality, _ in samples))
    centres = sorted({centre for _, centre in samples})
    if not modalities:
        return _message("no voxels")
    looks = dict(zip(centres, zip(cycle(COLOURS), cycle(_LINE_STYLES), strict=False), strict=False))
    figure = new_figure(PAGE_INCHES, 2.5)
    # One y axis for all: how far the pseudo-target is from the target is what the figure is for.
    for axes, modality in zip(
        figure.subplots(1, len(modalities), sharey=True, squeeze=False)[0], modalities, strict=True
    ):
        axes.set(title=modality, xlim=(0.0, 1.0), xlabel="Intensity (0 to 1)")
        axes.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
        for centre, (colour, style) in looks.items():
            cases = [np.ravel(case) for case in samples.get((modality, centre), ()) if np.size(case)]
            if cases:
                places, densities = _BIN_MIDDLES, np.array([_density(case) for case in cases])
                mean, sd = densities.mean(axis=0), densities.std(axis=0, ddof=1 if len(cases) > 1 else 0)
                axes.plot(places, mean, color=colour, linestyle=style, linewidth=1.4)
                axes.fill_between(places, np.maximum(mean - sd, 0), mean + sd, color=colour, alpha=0.15, linewidth=0)
    figure.axes[0].set_ylabel("Density")
    figure.axes[0].set_ylim(bottom=0.0)
    handles = [
        Line2D([], [], color=colour, linestyle=style, linewidth=1.5, label=f"centre {centre}, mean of its cases, 1 SD")
        for centre, (colour, style) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))
    return figure


@styled
def naive_against_gba(rows: Sequence[BlendingRow], zoom_mm: float | None = 40.0, contours: bool = True) -> Figure:
    """Fig. 8: pseudo-target, naive rescaling, GBA, and |GBA - naive| with one colour bar for all rows.

    Args:
        rows: cases, or lambdas of a case, from top to bottom.
        zoom_mm: side in mm of the window around the tumour (the slice's middle without one); `None`: the whole slice.
        contours: draws the tumour's contour.
    """
    titles = ["pseudo-target", "naive", "GBA", "|GBA − naive|"]
    drawn = []
    for row in rows:
        difference = np.abs(np.asarray(row.gba, dtype=float) - np.asarray(row.naive, dtype=float))
        images = (row.pseudo_target, row.naive, row.gba, difference)
        panels = [PanelImage("", pixels, reference=row.tumour) for pixels in images]
        drawn.append(_Row(row.name, panels, row.spacing_yx_mm))
    figure, grid = _image_grid(titles, drawn, zoom_mm, contours=contours, right_inches=0.6)
    if rows:
        maps = [axes.images[0] for axes in grid[:, -1]]
        largest = max(float(np.max(image.get_array())) for image in maps) or 1.0
        for image in maps:
            image.set(cmap="magma", clim=(0.0, largest))
        figure.colorbar(maps[0], ax=list(grid[:, -1]), aspect=18 * len(rows), label="difference of intensity")
    return figure


@styled
def segmentation_overlays(cases: Sequence[OverlayRow], zoom_mm: float | None = None) -> Figure:
    """Fig. 9: one row a case, the target slice with the reference and with each round's or arm's prediction.

    The reference is repeated under every prediction. Each prediction has the case's Dice, where it is defined.

    Args:
        cases: from top to bottom. Columns are the rounds or arms of all of them in the order they first appear.
        zoom_mm: shows a window of this side, not the whole slice: around the reference, without one around the
            predictions.
    """
    columns = list(dict.fromkeys(column for case in cases for column in case.predictions))
    rows = []
    for case in cases:
        images: list[PanelImage | None] = [PanelImage("", case.target, reference=case.reference)]
        for column in columns:
            prediction, dice = case.predictions.get(column), case.dice.get(column, math.nan)
            title = "" if math.isnan(dice) else f"Dice {dice:.2f}"
            shown = prediction is not None
            images.append(PanelImage(title, case.target, prediction, case.reference) if shown else None)
        rows.append(_Row(case.case, images, case.spacing_yx_mm))
    return _image_grid(["reference", *columns], rows, zoom_mm, reference="reference")[0]


class _Row(NamedTuple):
    """Images of one grid in one row of a figure; `None` leaves a place empty."""

    name: str
    images: Sequence[PanelImage | None]
    spacing_yx_mm: tuple[float, float]


def _image_grid(
    titles: Sequence[str], rows: Sequence[_Row], zoom_mm: float | None, *,
    contours: bool = True, reference: str = "label", right_inches: float = 0.0,
) -> tuple[Figure, np.ndarray]:  # fmt: skip
    """A figure of images in rows and columns, and its axes (rows, columns).

    A column has a title, a row a name and a scale bar; an image's own title is written into its upper left corner.
    `reference`: what the legend calls the dashed contours; `right_inches` are kept for a colour bar.
    """
    if not rows:
        return _message("no cases"), np.empty((0, 0))
    images = [image for row in rows for image in row.images if image is not None] if contours else []
    handles = []
    if _not_empty(image.reference for image in images):
        handles.append(Line2D([], [], color=SKY, linewidth=1.5, linestyle=(0, (3, 1)), label=reference))
    if _not_empty(image.prediction for image in images):
        handles.append(Line2D([], [], color=ORANGE, linewidth=1.5, label="prediction"))
    windows = [_window(row, zoom_mm) for row in rows]
    ratios = [height_mm / width_mm for _, _, width_mm, height_mm in windows]
    side = min(_WIDEST_INCHES, (PAGE_INCHES - 0.3 - right_inches) / len(titles))
    figure = new_figure(side * len(titles) + 0.3 + right_inches, side * sum(ratios) + (0.5 if handles else 0.3))
    figure.set_layout_engine("compressed", w_pad=0.02, h_pad=0.03, wspace=0.0, hspace=0.0)
    grid = figure.subplots(len(rows), len(titles), squeeze=False, height_ratios=ratios)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(_broken(title, side), fontsize=8)
    for row, (left, top, width_mm, height_mm), places in zip(rows, windows, grid, strict=True):
        brightest = white([image.slice_yx for image in row.images if image is not None])
        for axes, image in zip(places, row.images, strict=True):
            if image is None:
                axes.set_axis_off()
                continue
            draw_slice(axes, image if contours else PanelImage("", image.slice_yx), row.spacing_yx_mm, brightest)
            if image.title:
                place = axes.transAxes
                axes.text(
                    0.03, 0.97, image.title, color="w", fontsize=6.5, va="top", path_effects=OUTLINE, transform=place
                )
            axes.set(xlim=(left, left + width_mm), ylim=(top + height_mm, top))
        places[0].yaxis.set_visible(True)  # which the name stands at
        places[0].set(yticks=[], ylabel=_broken(row.name, side * height_mm / width_mm))
        draw_scale_bar(places[0], width_mm)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure, grid


def _window(row: _Row, zoom_mm: float | None) -> tuple[float, float, float, float]:
    """Left and upper edge, width and height in mm of what a row shows: one window for all its images."""
    images = [image for image in row.images if image is not None]
    height_mm, width_mm = (n * step for n, step in zip(images[0].slice_yx.shape, row.spacing_yx_mm, strict=True))
    if zoom_mm is None:
        return 0.0, 0.0, width_mm, height_mm
    # The reference first: a false positive far from it would move the window off the tumour.
    masks = _not_empty(image.reference for image in images) or _not_empty(image.prediction for image in images)
    zoom_mm = fitting(zoom_mm, masks, images[0].slice_yx.shape, row.spacing_yx_mm)
    shown = np.any(masks, axis=0) if masks else np.zeros(images[0].slice_yx.shape, bool)
    middle_mm = middle_yx(shown, row.spacing_yx_mm, zoom_mm) * row.spacing_yx_mm
    top, left = (
        float(np.clip(at - zoom_mm / 2, 0.0, max(0.0, size - zoom_mm)))
        for at, size in zip(middle_mm, (height_mm, width_mm), strict=True)
    )
    return left, top, zoom_mm, zoom_mm


def _not_empty(masks: Iterable[np.ndarray | None]) -> list[np.ndarray]:
    return [mask for mask in masks if mask is not None and mask.any()]


def _broken(text: str, inches: float) -> str:
    """A text of 8 points in lines that fit into a length, broken at underscores too: cases are named with them."""
    return textwrap.fill(text.replace("_", "_ "), max(6, int(inches * 72 / _POINTS_A_LETTER))).replace("_ ", "_")


def _density(intensities: np.ndarray) -> np.ndarray:
    """Density in the middles of the bins, (256,)."""
    low, high = float(np.min(intensities)), float(np.max(intensities))
    if not (low >= -_TOLERANCE and high <= 1.0 + _TOLERANCE):
        raise ValueError(f"intensities from {low:g} to {high:g}; expected: 0 to 1")
    counts, _ = np.histogram(np.clip(intensities, 0.0, 1.0), bins=_BINS, range=(0.0, 1.0))
    # "reflect" keeps the area: what a bin at the edge spreads beyond [0, 1] comes back.
    return gaussian_filter1d(counts * (_BINS / intensities.size), _SMOOTHING * _BINS, mode="reflect")


def _message(text: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure = new_figure(PAGE_INCHES / 2, 1.0)
    figure.text(0.5, 0.5, text, ha="center", va="center", color="0.4")
    return figure
