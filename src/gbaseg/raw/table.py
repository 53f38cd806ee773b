"""Cases of any data set, from one `cases.csv` (METHOD 1)."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import get_args

from gbaseg.cases import TABLE, Case, Domain, read_table
from gbaseg.errors import UserError
from gbaseg.raw.checks import SPLITS
from gbaseg.raw.fault import Fault
from gbaseg.raw.same_scan import same_path
from gbaseg.settings import UNSEEN_BY_DVC
from gbaseg.volume import file_name_fault

# Case names become names of files and folders, to which stages add up to some 40 signs, and a format's suffix.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
# Ends the name of a case's record on the finer grid.
_FINE = ".fine"
# By itself, and by our .dvcignore.
_HIDDEN_FROM_DVC = frozenset({".git", ".hg", ".dvc", ".scratch", ".venv"})


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
    for column in ("image", "label"):
        path = getattr(case, column)
        if reason := _unseen(path):
            right = "a path from the data set's folder to a file in it"
            faults.append(Fault(case.case, f"{TABLE} row {row}", f"{column} {path!r}: {reason}", right))
    if fitting := unfit_name(case.case):
        # Without a name the row cannot be told from others and left out.
        found = f"case {case.case!r}"
        faults.append(Fault(case.case, f"{TABLE} row {row}", found, fitting, whole_set=not case.case))
    return faults


def unfit_name(name: str) -> str:
    """What a case may be called, where it may not be called `name`; empty where it may."""
    plain = _NAME.fullmatch(name)
    reason = file_name_fault(f"{name}.nii.gz") if plain else "files are named after it"
    if name.endswith(_FINE):
        reason = f"{name}.json is what `standardise` writes of {name.removesuffix(_FINE)!r}, on the finer grid"
    if name in UNSEEN_BY_DVC:
        reason = "DVC passes over keys of that name: what is decided in review.yaml about the case would train nothing"
    return f"a name of at most 200 letters, digits, _ . and - that an image can have ({reason})" if reason else ""


def _unseen(path: str) -> str:
    """Why DVC would not see a file of this path change; empty where it would."""
    if not path:
        return ""
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute() or path.startswith("~"):
        return "a whole path"
    parts = PurePosixPath(same_path(path)).parts
    if ".." in parts:
        return "leads out of the data set's folder, where DVC would not see it change"
    if hidden := [part for part in parts if part in _HIDDEN_FROM_DVC]:
        return f"DVC does not look into {hidden[0]}"
    return ""
