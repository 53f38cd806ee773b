"""A case and the case table (cases.csv) by which every stage finds its images."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from gbaseg.errors import UserError
from gbaseg.text_file import text_of

Domain = Literal["source", "target"]
TABLE = "cases.csv"


@dataclass(frozen=True)
class Case:
    """One scan of one patient.

    `image` and `label` are paths relative to the folder of the table; `label` is empty where there is none.
    `split` is `train`, `validation` or `test`; the target's `train` cases are the unlabelled ones that the
    method adapts to, the others are held out.
    """

    case: str
    patient: str
    centre: str
    domain: Domain
    split: str
    modality: str
    image: str
    label: str = ""


COLUMNS = tuple(field.name for field in fields(Case))


def read_table(path: str | Path, *, own: bool = True) -> list[Case]:
    """Read a case table.

    Args:
        path: the table, or the folder that holds `cases.csv`.
        own: one that a stage has written. What a row names is to lie in the table's folder: names of cases become
            names of files, which are written. False: rows as they stand, for whoever checks each of them (`raw`).

    Raises:
        UserError: no such file, another encoding, columns that are missing, rows that have more or fewer cells than
            the header, or (`own`) a name or path that leads out of the folder (all of them are named).
    """
    path = Path(path)
    path = path / TABLE if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"{path}: no such case table")
    lines = list(csv_rows(path))
    header, rows = (lines[0][1], lines[1:]) if lines else ([], [])
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        found = ", ".join(repr(name) for name in header) or "no header"
        raise UserError(
            f"{path}: column(s) missing: {', '.join(missing)}; needed, parted by commas: {', '.join(COLUMNS)}; "
            f"found: {found}"
        )
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise UserError(f"{path}: line 1: column(s) {', '.join(twice)} twice; allowed: every column once")
    faults = [
        f"{path}: line {line}: {len(cells)} cell(s); allowed: {len(header)}, as many as in the header"
        for line, cells in rows
        if len(cells) != len(header)
    ]
    if faults:
        advice = "A cell with a comma in it stands in quotes; a row without a label ends in a comma."
        raise UserError("\n".join([*faults, advice]))
    by_column = (dict(zip(header, cells, strict=True)) for _, cells in rows)
    cases = [Case(**{name: row[name].strip() for name in COLUMNS}) for row in by_column]  # type: ignore[arg-type]
    faults = [
        f"{path}: line {line}: {what}"
        for (line, _), case in zip(rows, cases, strict=True)
        for what in _ways_out(case)
        if own
    ]
    if faults:
        raise UserError("\n".join([*faults, "The stage that wrote the table makes it anew: `dvc repro`"]))
    return cases


def _ways_out(case: Case) -> Iterator[str]:
    """What of a row would lead out of its table's folder."""
    if not is_plain_name(case.case):
        yield f"case {case.case!r}; allowed: a name without folders"
    for column in ("image", "label"):
        path = getattr(case, column)
        if path.startswith("/") or "\0" in path or "\\" in path or ".." in path.split("/"):
            yield f"{column} {path!r}; allowed: a path below the table's folder"


def is_plain_name(name: str) -> bool:
    """Whether files can be named after it, in the folder where they belong."""
    return name not in ("", ".", "..") and not any(sign in name for sign in "/\\\0")


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line on which each row of a CSV file begins, and its cells; blank lines are passed over.

    Raises:
        UserError: not UTF-8, or quotes that are not closed.
    """
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}: line {line}: {error}; allowed: quotes that are closed again") from error


def write_table(cases: Iterable[Case], folder: str | Path) -> None:
    """Write `cases.csv` into `folder`, ordered by case name so that equal sets give equal files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE).write_text(table_text(cases), encoding="utf-8", newline="")


def table_text(cases: Iterable[Case]) -> str:
    """What `write_table` writes."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(case) for case in sorted(cases, key=lambda case: case.case))
    return stream.getvalue()


def select(
    cases: Sequence[Case],
    *,
    domain: Domain | None = None,
    splits: Sequence[str] | None = None,
    centre: str | None = None,
) -> list[Case]:
    """The cases of a domain, of some splits, of one centre (`None` or `both`: of every centre)."""
    return [
        case
        for case in cases
        if (domain is None or case.domain == domain)
        and (splits is None or case.split in splits)
        and (centre in (None, "both") or case.centre == centre)
    ]
