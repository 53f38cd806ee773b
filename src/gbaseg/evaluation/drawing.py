"""How figures look and are written: matplotlib's objects, no global state.

Colours are Okabe and Ito's, which keep apart for colour-blind readers; markers and line styles differ too.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gbaseg.runtime.whole import written_whole

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
PAGE_INCHES = 6.8  # two columns of a page
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,  # text stays text in PDF
    "svg.fonttype": "none",
    "text.parse_math": False,  # names of structures, arms and centres are text, with whatever dollars
    "svg.hashsalt": "gbaseg",
}
_P = ParamSpec("_P")
_R = TypeVar("_R")


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Draw in the style of this file, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return inside


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """A figure that is drawn by Agg, known to no window and no global list."""
    figure = Figure(figsize=(width_inches, height_inches))
    FigureCanvasAgg(figure)
    return figure


@styled
def save(figure: Figure, path: str | Path, dpi: int = 200) -> None:
    """Write a figure; the suffix says the format (.png, .pdf, .svg). The folder is made where it is missing.

    Equal figures give equal bytes.
    """
    path = Path(path)
    stream = io.BytesIO()
    save_to(figure, stream, path.suffix.removeprefix("."), dpi)
    with written_whole(path) as partial:
        partial.write_bytes(stream.getvalue())


@styled
def save_to(figure: Figure, stream: BinaryIO, file_format: str, dpi: int = 200) -> None:
    """Write a figure as png, pdf or svg into an open file."""
    # No date and no version in the file, so that DVC sees a change only where there is one.
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None},
        "svg": {"Date": None},
    }
    if file_format != "png":
        figure.savefig(stream, format=file_format, dpi=dpi, metadata=metadata.get(file_format))
        return
    # The same bytes without what `savefig` does for the layout alone: it draws all of it beforehand, to nowhere.
    engine, before = figure.get_layout_engine(), figure.dpi
    figure.dpi = dpi
    try:
        if engine is not None and figure.axes:
            engine.execute(figure)
            figure.set_layout_engine("none")
        FigureCanvasAgg(figure).print_png(stream, metadata=metadata["png"])
    finally:
        figure.dpi = before
        if engine is not None:
            figure.set_layout_engine(engine)
