"""From the scores of the cases to the metrics of a round, and their tables (METHOD 7)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from gbaseg.errors import UserError
from gbaseg.evaluation.metrics import both_assd_mm, dice
from gbaseg.evaluation.settings import EMPTY_ASSD_MM, LOW_DICE

if TYPE_CHECKING:
    import pandas as pd

DECIMALS = 4


@dataclass(frozen=True)
class CaseScore:
    """One structure of one case. Dice and both ASSD are `nan` where the reference is empty (undefined)."""

    case: str
    centre: str
    split: str
    structure: str
    dice: float
    assd_mm: float
    pooled_assd_mm: float
    reference_mm3: float
    predicted_mm3: float


COLUMNS = tuple(field.name for field in fields(CaseScore))
_NAMES = ("case", "centre", "split", "structure")


def score_case(
    reference: np.ndarray,
    prediction: np.ndarray,
    spacing_zyx_mm: tuple[float, float, float],
    *,
    case: str,
    centre: str,
    split: str,
    structure: str = "tumour",
    empty_mm: float = EMPTY_ASSD_MM,
) -> CaseScore:
    """Score one structure of one case.

    Args:
        reference, prediction: masks (Z, Y, X) of the structure on one grid; non-zero is inside.
        spacing_zyx_mm: voxel size in mm along (Z, Y, X).
        case, centre, split, structure: what the line of the table says.
        empty_mm: ASSD of an empty prediction.
    """
    assd, pooled = both_assd_mm(reference, prediction, spacing_zyx_mm, empty_mm)
    voxel_mm3 = math.prod(spacing_zyx_mm)
    return CaseScore(
        case, centre, split, structure, dice(reference, prediction), assd, pooled,
        float(np.count_nonzero(reference) * voxel_mm3), float(np.count_nonzero(prediction) * voxel_mm3),
    )  # fmt: skip


def scores_table(rows: Iterable[CaseScore]) -> pd.DataFrame:
    """One line a case and structure, ordered by structure, split and case, whatever the order of `rows`."""
    import pandas as pd  # which stages that only score do without: a quarter of a second

    table = pd.DataFrame([astuple(row) for row in rows], columns=list(COLUMNS))
    return table.sort_values(["structure", "split", "case"], kind="stable", ignore_index=True)


def write_scores(rows: Iterable[CaseScore], path: str | Path) -> None:
    """Write the per-case CSV; equal scores give equal bytes. An undefined value is `nan`."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    scores_table(rows).to_csv(path, index=False, float_format="%.8g", na_rep="nan", lineterminator="\n")


def read_scores(path: str | Path, stream: TextIO | None = None) -> list[CaseScore]:
    """Read what `write_scores` wrote.

    Args:
        path: of the table.
        stream: its text, where it is no file of this folder.

    Raises:
        UserError: it is empty or torn, columns are missing, or a score is not a number.
    """
    import pandas as pd

    # As text: a centre may well be called "NA".
    try:
        table = pd.read_csv(path if stream is None else stream, dtype=str, keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: no table of scores ({error}); a run's own: `dvc checkout` brings it back") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise UserError(f"{path}: column(s) missing: {', '.join(missing)}; needed: {', '.join(COLUMNS)}")
    try:
        table = table.astype({name: float for name in COLUMNS if name not in _NAMES})
    except ValueError as error:
        raise UserError(f"{path}: a score is not a number: {error}") from error
    return [CaseScore(*row) for row in table[list(COLUMNS)].itertuples(index=False, name=None)]


def summarise(rows: Sequence[CaseScore], low_dice: Sequence[float] = LOW_DICE) -> dict[str, Any]:
    """The metrics of a round: structure -> Dice and ASSD over its cases.

    Args:
        rows: scores of any cases; those with an empty reference are counted apart and enter no mean.
        low_dice: thresholds; the cases below each are counted.

    Returns:
        {structure: {dice: {mean, sd, median}, assd_mm: {mean, sd, median}, cases, empty_references,
        empty_predictions, cases_under_0.4, ..., per_centre: {centre: {dice, assd_mm, cases}}, per_split: {...}}};
        means where no statistic is named. SD with ddof = 1; 4 decimals; None where undefined. {} without rows.
    """
    metrics: dict[str, Any] = {}
    for structure in sorted({row.structure for row in rows}):
        everyone = [row for row in rows if row.structure == structure]
        scored = [row for row in everyone if not math.isnan(row.dice)]
        metrics[structure] = {
            "dice": _statistics([row.dice for row in scored]),
            "assd_mm": _statistics([row.assd_mm for row in scored]),
            "cases": len(scored),
            "empty_references": len(everyone) - len(scored),
            "empty_predictions": sum(row.predicted_mm3 == 0 for row in scored),
            **{low_key(threshold): sum(row.dice < threshold for row in scored) for threshold in low_dice},
            "per_centre": _means_by("centre", scored),
            "per_split": _means_by("split", scored),
        }
    return metrics


def low_key(threshold: float) -> str:
    """Name of the count of cases under a Dice `threshold`: "cases_under_0.4"."""
    return f"cases_under_{threshold:g}"


def _statistics(values: Sequence[float]) -> dict[str, float | None]:
    return {
        "mean": _rounded(np.mean(values)) if values else None,
        "sd": _rounded(np.std(values, ddof=1)) if len(values) > 1 else None,
        "median": _rounded(np.median(values)) if values else None,
    }


def _means_by(key: str, rows: Sequence[CaseScore]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[CaseScore]] = {}
    for row in rows:
        groups.setdefault(getattr(row, key), []).append(row)
    return {
        name: {
            "dice": _rounded(np.mean([row.dice for row in group])),
            "assd_mm": _rounded(np.mean([row.assd_mm for row in group])),
            "cases": len(group),
        }
        for name, group in sorted(groups.items())
    }


def _rounded(value: float | np.floating) -> float:
    return round(float(value), DECIMALS)
