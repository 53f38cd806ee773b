"""One HTML page that needs nothing but itself: tables, figures inside it, text. What goes in is the caller's."""

from __future__ import annotations

import base64
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from gbaseg.evaluation.drawing import save_to

_TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass(frozen=True)
class Table:
    """Headings, and rows of cells; all are shown as text."""

    headings: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Picture:
    """A picture as markup, and what stands under it."""

    markup: Markup
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page; `grid`: its pictures stand side by side."""

    title: str
    note: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = field(default_factory=list)
    text: str = ""
    grid: bool = False

    @property
    def anchor(self) -> str:
        """Name in the page's address."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The page. Text is escaped: names of cases and parameters are data, not markup."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, subtitle=subtitle, sections=sections)


def as_vector(figure: Figure, caption: str = "") -> Picture:
    """A plot as SVG inside the page."""
    stream = io.BytesIO()
    save_to(figure, stream, "svg")
    text = stream.getvalue().decode("utf-8")
    # Without prolog and doctype; names made unique, for figures of one page share them.
    text = text[text.index("<svg") :]
    prefix = f"f{zlib.crc32(caption.encode()):x}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    text = re.sub(r'href="#', f'href="#{prefix}', text)
    return Picture(Markup(text), caption)


def as_image(figure: Figure, caption: str = "", dpi: int = 110) -> Picture:
    """A figure of images as PNG inside the page."""
    stream = io.BytesIO()
    save_to(figure, stream, "png", dpi)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    alt = escape(caption)
    return Picture(Markup(f'<img src="data:image/png;base64,{data}" alt="{alt}">'), caption)
