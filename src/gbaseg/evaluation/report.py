"""One HTML page that needs nothing but itself: tables, figures, scans, text. What goes in is the caller's."""

from __future__ import annotations

import base64
import gzip
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
from gbaseg.evaluation.report_readings import Reading
from gbaseg.evaluation.report_tables import Table
from gbaseg.evaluation.report_views import View

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_SCRIPT = Path(__file__).with_name("report.js")


@dataclass(frozen=True)
class Picture:
    """A picture as markup, what stands under it, and how it is read."""

    markup: Markup
    caption: str = ""
    reading: Reading | None = None


@dataclass(frozen=True)
class Section:
    """A part of the page; `grid`: its pictures stand side by side; `reading`: of all of it."""

    title: str
    note: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = field(default_factory=list)
    text: str = ""
    grid: bool = False
    reading: Reading | None = None

    @property
    def anchor(self) -> str:
        """Name in the page's address."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Viewer:
    """What draws scans in a browser: NiiVue, and the script that asks it (`from "./niivue.js"`), as modules' texts."""

    niivue: str
    script: str


def render(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    views: Sequence[View] = (),
    viewer: Viewer | None = None,
    files: str = "",
) -> str:
    """The page. Text is escaped: names of cases and parameters are data, not markup.

    Args:
        title, subtitle: at its top.
        sections: in their order.
        views: what opens behind rows, see `Table.views`; unpacked when they are.
        viewer: what draws them.
        files: address of the folder with the tables' CSV files, as seen from the page; empty: there is none.

    Raises:
        ValueError: views and no viewer; a script that would end its own element.
    """
    if views and viewer is None:
        raise ValueError("views want a viewer")
    scripts = [_SCRIPT.read_text(encoding="utf-8"), viewer.script] if views and viewer else []
    if any("</script" in script for script in scripts):
        raise ValueError("a script with </script in it")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        files=files,
        views=views,
        packed={f"{view.name}-{part}": _base64(content) for view in views for part, content in view.parts.items()},
        niivue=_base64(gzip.compress(viewer.niivue.encode(), 9, mtime=0)) if scripts and viewer else "",
        scripts=[Markup(script) for script in scripts],
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def as_vector(figure: Figure, caption: str = "", reading: Reading | None = None) -> Picture:
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
    return Picture(Markup(text), caption, reading)


def as_image(figure: Figure, caption: str = "", dpi: int = 110, reading: Reading | None = None) -> Picture:
    """A figure of images as PNG inside the page."""
    stream = io.BytesIO()
    save_to(figure, stream, "png", dpi)
    data, alt = _base64(stream.getvalue()), escape(caption)
    return Picture(Markup(f'<img src="data:image/png;base64,{data}" alt="{alt}">'), caption, reading)
