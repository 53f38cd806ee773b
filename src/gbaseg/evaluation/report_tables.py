"""Tables of the report: shown with few digits on the page, whole in a CSV file beside it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from gbaseg.evaluation.text import UNKNOWN, number


class Spread(NamedTuple):
    """A mean with its SD: one cell on the page, two columns of the file."""

    mean: float | None
    sd: float | None


# A mapping is several numbers by name: one cell on the page, a column a name in the file.
Cell = str | int | float | None | Spread | Mapping[str, float | None]


class Column(NamedTuple):
    """`name`: in the file, as Python and R take it; `heading` and `decimals` (of what is not whole): on the page."""

    name: str
    heading: str
    decimals: int = 3


@dataclass(frozen=True)
class Table:
    """Rows of cells; all are shown as text.

    Args:
        name: of its file, without `.csv`; no two of a page have one name.
        columns: as many as each row has cells.
        rows: of numbers unrounded.
        views: what opens below each row, by its name in the page; empty: nothing does.
        value: of the structure whose masks are shown there.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    views: Sequence[str] = ()
    value: int = 0

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"{self.name}: rows of other lengths than {len(self.columns)}")
        if self.views and len(self.views) != len(self.rows):
            raise ValueError(f"{self.name}: {len(self.views)} views of {len(self.rows)} rows")

    @property
    def file(self) -> str:
        """Name of its file: that of a structure, which is in it, may hold anything."""
        return f"{quote(self.name, safe='')}.csv"

    @property
    def shown(self) -> list[list[str]]:
        """The cells as the page has them."""
        return [[shown(cell, column) for cell, column in zip(row, self.columns, strict=True)] for row in self.rows]


def shown(cell: Cell, column: Column) -> str:
    """A cell on the page: `0.763 ± 0.041`, `A 0.790, B 0.736`; a dash where nothing is known."""
    if cell is None or cell == "":
        return UNKNOWN
    if isinstance(cell, Spread):
        if cell.mean is None or cell.sd is None:
            return number(cell.mean, column.decimals)
        return f"{number(cell.mean, column.decimals)} ± {number(cell.sd, column.decimals)}"
    if isinstance(cell, Mapping):
        return ", ".join(f"{name} {number(value, column.decimals)}" for name, value in cell.items()) or UNKNOWN
    return number(cell, column.decimals) if isinstance(cell, float) else str(cell)


def csv_text(table: Table) -> str:
    """The table as CSV (commas, UTF-8, `\\n`): numbers unrounded, nothing where nothing is known."""
    headings: list[str] = []
    parts: list[list[Cell]] = []
    for place, column in enumerate(table.columns):
        for name, values in _split(column, [row[place] for row in table.rows]).items():
            headings.append(name)
            parts.append(values)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([[_whole(part[number]) for part in parts] for number in range(len(table.rows))])
    return stream.getvalue()


def _split(column: Column, cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Name -> values of the columns of a file that one of the page stands for."""
    if any(isinstance(cell, Spread) for cell in cells):
        spreads = [cell if isinstance(cell, Spread) else Spread(None, None) for cell in cells]
        return {column.name: [one.mean for one in spreads], f"{column.name}_sd": [one.sd for one in spreads]}
    if any(isinstance(cell, Mapping) for cell in cells):
        found = [cell if isinstance(cell, Mapping) else {} for cell in cells]
        names = dict.fromkeys(name for one in found for name in one)
        return {f"{column.name}_{name}": [one.get(name) for one in found] for name in names}
    return {column.name: list(cells)}


def _whole(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return repr(cell) if isinstance(cell, float) else str(cell)
