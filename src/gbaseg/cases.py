"""A case and the case table (cases.csv) by which every stage finds its images."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from gbaseg.errors import UserError

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


def read_table(path: str | Path) -> list[Case]:
    """Read a case table.

    Args:
        path: the table, or the folder that holds `cases.csv`.

    Raises:
        UserError: no such file, or columns are missing (all are named).
    """
    path = Path(path)
    path = path / TABLE if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"{path}: no such case table")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise UserError(f"{path}: column(s) missing: {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
        return [Case(**{name: (row[name] or "").strip() for name in COLUMNS}) for row in reader]  # type: ignore[arg-type]


def write_table(cases: Iterable[Case], folder: str | Path) -> None:
    """Write `cases.csv` into `folder`, ordered by case name so that equal sets give equal files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(case) for case in sorted(cases, key=lambda case: case.case))


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
