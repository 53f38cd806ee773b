"""How numbers and tables look in text, wherever they are printed."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table

UNKNOWN = "–"


def number(value: float | None, decimals: int = 3) -> str:
    """`0.123`; a dash where it is None or NaN."""
    return UNKNOWN if value is None or math.isnan(value) else f"{value:.{decimals}f}"


def plain_console(**options: Any) -> Console:
    """What tables are printed on: names of structures, methods and files are no markup, whatever is in them.

    Args:
        options: of `Console`.
    """
    return Console(markup=False, emoji=False, **options)


def plain_table(title: str) -> Table:
    """A table without a frame: 80 columns, which is what a log file has, hold every number."""
    return Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), pad_edge=False)
