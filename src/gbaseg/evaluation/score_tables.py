"""Scores of several methods in one table, whoever wrote them: ours by case, or the challenge's (METHOD 7).

The table is long: one line a method, case and structure, columns `method`, `case`, `structure`, `dice`, `assd_mm`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gbaseg.errors import UserError

KEYS = ["method", "case", "structure"]
METRICS = {"dice": "Dice", "assd_mm": "ASSD"}  # ours, and how the challenge's columns end
HIGHER_IS_BETTER = {"dice": True, "assd_mm": False}


def read_score_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """All scores of some CSV files.

    A file is either the challenge's (columns `Case`, `Team`, `VS_Dice`, `VS_ASSD`, ...) or ours (`case`, `structure`,
    `dice`, `assd_mm`, and `method`, without which the method is the file's name). Undefined scores are `nan`.

    Raises:
        UserError: unreadable files, columns that are missing, scores that are no numbers, a line twice.
    """
    tables, faults = [], []
    for path in paths:
        try:
            tables.append(_read(Path(path)))
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join(faults))
    scores = pd.concat(tables, ignore_index=True)
    if scores.empty:
        raise UserError(f"{', '.join(map(str, paths))}: no line with scores")
    twice = scores[scores.duplicated(KEYS)]
    if len(twice):
        first = ", ".join(twice[KEYS].iloc[0])
        raise UserError(f"{len(twice)} score(s) occur twice, {first} the first; every method, case and structure once")
    return scores


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{path}: not readable as CSV: {error}") from error
    if "Team" in table.columns:
        table = _from_challenge(path, table)
    elif "method" not in table.columns:
        table = table.assign(method=path.stem)
    needed = [*KEYS, *METRICS]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise UserError(
            f"{path}: column(s) missing: {', '.join(missing)}; needed: {', '.join(needed)}, "
            "or those of the challenge: Case, Team, VS_Dice, VS_ASSD"
        )
    numbers = table[list(METRICS)].apply(pd.to_numeric, errors="coerce").astype(float)
    text = table[list(METRICS)].apply(lambda column: column.str.strip().str.lower())
    wrong = (numbers.isna() & ~text.isin(["nan", ""])) | np.isinf(numbers)
    if wrong.any(axis=None):
        line = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise UserError(f"{path}: line {line + 2}: {', '.join(text.iloc[line])}; scores are numbers, or nan")
    return table[KEYS].join(numbers)


def _from_challenge(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    structures = [match[1] for name in table.columns if (match := re.fullmatch(r"(.+)_Dice", name))]
    needed = ["Case", *(f"{name}_{ending}" for name in structures for ending in METRICS.values())]
    missing = [name for name in needed if name not in table.columns]
    if missing or not structures:
        raise UserError(f"{path}: column(s) missing: {', '.join(missing) or 'VS_Dice, VS_ASSD'}")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "method": table["Team"],
                    "case": table["Case"],
                    "structure": name,
                    **{mine: table[f"{name}_{theirs}"] for mine, theirs in METRICS.items()},
                }
            )
            for name in structures
        ],
        ignore_index=True,
    )


def cases_by_method(scores: pd.DataFrame, structure: str, metric: str) -> pd.DataFrame:
    """One metric of one structure (cases x methods); cases that are undefined for all methods are left out.

    Raises:
        UserError: no such structure, no case on which it is defined, or a case that only some of the methods have a
            score of.
    """
    chosen = scores[scores["structure"] == structure]
    if chosen.empty:
        known = ", ".join(sorted(set(scores["structure"])))
        raise UserError(f"structure {structure}: no scores of it; there are: {known}")
    # All methods of the table: one without a line of this structure lacks every case of it.
    methods = sorted(set(scores["method"]))
    table = chosen.pivot(index="case", columns="method", values=metric).reindex(columns=methods).dropna(how="all")
    if table.empty:
        raise UserError(f"{structure}, {metric}: undefined on every case; there is nothing to compare")
    incomplete = table[table.isna().any(axis=1)]
    if len(incomplete):
        lacking = ", ".join(incomplete.columns[incomplete.iloc[0].isna()])
        raise UserError(
            f"{structure}, {metric}: {len(incomplete)} case(s) that not every method has a score of, "
            f"{incomplete.index[0]} the first (lacking: {lacking}); methods are compared on the same cases"
        )
    return table
