"""Cases of any data set, from one `cases.csv` (METHOD 1)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from gbaseg.cases import TABLE, Case, Domain, read_table
from gbaseg.errors import UserError
from gbaseg.raw.checks import SPLITS, Fault

# Case names become names of files and folders.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def find_cases(root: Path) -> tuple[list[Case], list[Fault]]:
    """The cases of `root/cases.csv`, its paths relative to `root`, and a fault for each value that cannot be.

    A label in a row of the target domain is for scoring only. Rows with a fault in them are still returned, so
    that their files are checked as well.

    Raises:
        UserError: there is no row, or as `read_table`.
    """
    cases = read_table(root / TABLE, own=False)  # each row is checked below
    if not cases:
        raise UserError(f"{root / TABLE}: no rows")
    return cases, [fault for row, case in enumerate(cases, start=1) for fault in _row_faults(row, case)]


def _row_faults(row: int, case: Case) -> list[Fault]:
    allowed = {"domain": get_args(Domain), "split": SPLITS}
    faults = [
        Fault(case.case, f"{TABLE} row {row}", f"{column} {getattr(case, column)!r}", " or ".join(values))
        for column, values in allowed.items()
        if getattr(case, column) not in values
    ]
    for column in ("patient", "centre", "modality"):
        if not getattr(case, column):
            faults.append(Fault(case.case, f"{TABLE} row {row}", f"no {column}", f"a {column} in every row"))
    if not _NAME.fullmatch(case.case):
        # Without a name the row cannot be told from others and left out.
        faults.append(
            Fault(
                case.case,
                f"{TABLE} row {row}",
                f"case {case.case!r}",
                "a name of letters, digits, _ . and - (files are named after it)",
                whole_set=not case.case,
            )
        )
    return faults
