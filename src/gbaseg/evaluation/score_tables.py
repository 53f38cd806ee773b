"""Scores of several methods in one table, whoever wrote them: ours by case, or the challenge's (METHOD 7).

The table is long: one line a method, case and structure, columns `method`, `case`, `structure`, `dice`, `assd_mm`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gbaseg.cases import csv_rows
from gbaseg.errors import UserError, some_of
from gbaseg.evaluation.settings import EMPTY_ASSD_MM

KEYS = ["method", "case", "structure"]
METRICS = {"dice": "Dice", "assd_mm": "ASSD"}  # ours, and how the challenge's columns end
HIGHER_IS_BETTER = {"dice": True, "assd_mm": False}

_UNDEFINED = ("", "nan")
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# A report that nobody reads to its end hides the next fault.
_MOST_FAULTS = 20


class _Score(NamedTuple):
    """Both scores of one structure of one case, and where they stand."""

    place: str
    method: str
    case: str
    structure: str
    dice: float
    assd_mm: float


def read_score_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """All scores of some CSV files.

    A file is either the challenge's (columns `Case`, `Team`, `VS_Dice`, `VS_ASSD`, ...) or ours (`case`, `structure`,
    `dice`, `assd_mm`, and `method`, without which the method is the file's name). Undefined scores are `nan`.

    Raises:
        UserError: files that cannot be read or have no row, columns that are missing, scores that cannot be (see
            `score_faults`), the same line twice: all of them in one message, with file and line.
    """
    scores: list[_Score] = []
    faults: list[str] = []
    for path in paths:
        try:
            of_file, found = _read(Path(path))
        except UserError as error:
            of_file, found = [], [str(error)]
        scores += of_file
        faults += _shortened(found, path)
    faults += _repeated(scores)
    if faults:
        raise UserError("\n".join(faults))
    table = pd.DataFrame(scores, columns=list(_Score._fields))
    return table[[*KEYS, *METRICS]]


def score_faults(dice: float | None, assd_mm: float | None) -> list[str]:
    """What is wrong with a Dice and an ASSD; `None` and NaN are undefined, which is allowed."""
    dice = math.nan if dice is None else dice
    assd_mm = math.nan if assd_mm is None else assd_mm
    found = []
    if not (math.isnan(dice) or 0.0 <= dice <= 1.0):
        percent = f" ({dice:g} % is {dice / 100:g})" if 1.0 < dice <= 100.0 else ""
        found.append(f"Dice {dice:.9g}; allowed: 0 to 1{percent}")
    if not (math.isnan(assd_mm) or 0.0 <= assd_mm < math.inf):
        found.append(f"ASSD {assd_mm:.9g}; allowed: 0 mm and more")
    if dice == 0.0 and assd_mm == 0.0:
        found.append(
            "Dice 0 beside ASSD 0, no overlap and no distance; allowed: nan where a score is undefined, "
            f"{EMPTY_ASSD_MM:g} mm for an empty prediction (the challenge's)"
        )
    return found


def _read(path: Path) -> tuple[list[_Score], list[str]]:
    """Scores of one file, and what is wrong with its rows."""
    lines = list(csv_rows(path))
    if not lines:
        raise UserError(f"{path}: no line with scores, the file is empty")
    header = [name.strip() for name in lines[0][1]]
    parts = _parts(path, header)
    if len(lines) == 1:
        raise UserError(f"{path}: no line with scores, a header alone")
    scores, faults = [], []
    for line, cells in lines[1:]:
        place = f"{path}: line {line}"
        if len(cells) != len(header):
            faults.append(f"{place}: {len(cells)} cell(s); allowed: {len(header)}, as many as in the header")
            continue
        row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        for structure, columns in parts:
            score, found = _score_of(place, row, structure, columns, path.stem)
            scores.append(score)
            faults += found
    return scores, list(dict.fromkeys(faults))


def _parts(path: Path, header: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Of each score that a row has: its structure, empty where a column says it, and where our columns stand."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UserError(f"{path}: line 1: column(s) twice: {', '.join(twice)}; allowed: every column once")
    if "Team" in header:
        structures = [match[1] for name in header if (match := re.fullmatch(r"(.+)_Dice", name))] or ["VS"]
        parts = [
            (name, {"method": "Team", "case": "Case", **{ours: f"{name}_{theirs}" for ours, theirs in METRICS.items()}})
            for name in structures
        ]
    else:
        named = KEYS if "method" in header else KEYS[1:]
        parts = [("", {name: name for name in [*named, *METRICS]})]
    missing = [
        name for name in dict.fromkeys(column for _, part in parts for column in part.values()) if name not in header
    ]
    if missing:
        divided = next((words for sign, words in _DELIMITERS.items() if sign in "".join(header)), "")
        advice = f"; its columns are parted by {divided}, allowed: by commas" if divided else ""
        raise UserError(
            f"{path}: column(s) missing: {', '.join(missing)}; needed: {', '.join([*KEYS[1:], *METRICS])} "
            f"(and method, else the file's name), or those of the challenge: Case, Team, VS_Dice, VS_ASSD{advice}"
        )
    return parts


def _score_of(
    place: str, row: Mapping[str, str], structure: str, columns: Mapping[str, str], method: str
) -> tuple[_Score, list[str]]:
    faults = [
        f"{place}: no {columns[key]}; allowed: a name in every row"
        for key in KEYS
        if row.get(columns.get(key, ""), "-") == ""
    ]
    numbers = dict.fromkeys(METRICS, math.nan)
    for metric in METRICS:
        text = row[columns[metric]]
        try:
            numbers[metric] = math.nan if text.lower() in _UNDEFINED else float(text)
        except ValueError:
            faults.append(f"{place}: {columns[metric]} {text!r}; allowed: a number, or nan where it is undefined")
    of = f"{structure}: " if structure else ""
    faults += [f"{place}: {of}{fault}" for fault in score_faults(numbers["dice"], numbers["assd_mm"])]
    method = row[columns["method"]] if "method" in columns else method
    return _Score(place, method, row[columns["case"]], structure or row[columns["structure"]], **numbers), faults


def _repeated(scores: Sequence[_Score]) -> Iterator[str]:
    """Scores that occur twice, in one file or in two."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for score in scores:
        places.setdefault((score.method, score.case, score.structure), []).append(score.place)
    twice = [
        f"{', '.join(key)}: {len(found)} times ({'; '.join(found)}); allowed: every method, case and structure once"
        for key, found in places.items()
        if len(found) > 1
    ]
    yield from _shortened(twice, "all files")


def _shortened(faults: Sequence[str], where: object) -> list[str]:
    more = len(faults) - _MOST_FAULTS
    return [*faults[:_MOST_FAULTS], *([f"{where}: {more} more fault(s)"] if more > 0 else [])]


def check_structures(scores: pd.DataFrame, structures: Sequence[str]) -> None:
    """Whether there are scores of structures.

    Raises:
        UserError: of some there are none; names all of these.
    """
    known = sorted(set(scores["structure"]))
    unknown = [name for name in structures if name not in known]
    if unknown:
        raise UserError(f"structure {', '.join(unknown)}: no scores of it; there are: {', '.join(known)}")


def cases_by_method(scores: pd.DataFrame, structure: str, metric: str) -> pd.DataFrame:
    """One metric of one structure (cases x methods); cases that are undefined for all methods are left out.

    Raises:
        UserError: no such structure, no case on which it is defined, or cases that only some of the methods have a
            score of.
    """
    check_structures(scores, [structure])
    chosen = scores[scores["structure"] == structure]
    # All methods of the table: one without a line of this structure lacks every case of it.
    methods = sorted(set(scores["method"]))
    table = chosen.pivot(index="case", columns="method", values=metric).reindex(columns=methods).dropna(how="all")
    if table.empty:
        others = ",".join(name for name in sorted(set(scores["structure"])) if name != structure)
        remedy = f"; others by themselves: --structures {others}" if others else ""
        raise UserError(f"{structure}, {metric}: undefined on every case; there is nothing to compare{remedy}")
    incomplete = table[table.isna().any(axis=1)]
    if len(incomplete):
        lacking = ", ".join(
            f"{method} lacks {some_of(list(incomplete.index[incomplete[method].isna()]))}"
            for method in incomplete.columns
            if incomplete[method].isna().any()
        )
        raise UserError(
            f"{structure}, {metric}: {len(incomplete)} case(s) that not every method has a score of: {lacking}; "
            "methods are compared on the same cases"
        )
    return table
