"""Of the report: every held-out case, as a row that opens, and as two slices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from gbaseg.cases import Case, read_table, select
from gbaseg.evaluation.image_figures import segmentation_overlays
from gbaseg.evaluation.report import Picture, Section, Viewer, as_image
from gbaseg.evaluation.report_readings import CASES, CASES_UNLABELLED
from gbaseg.evaluation.report_tables import Cell, Column, Table
from gbaseg.evaluation.report_views import View, cut_out, room_for
from gbaseg.evaluation.summary import CaseScore
from gbaseg.evaluation.text import number
from gbaseg.params import Params
from gbaseg.runtime.progress import meter
from gbaseg.workflow import layout
from gbaseg.workflow.pictures import HeldOut, overlay_row, read_held_out
from gbaseg.workflow.pseudo_labels import read_rows

_CASE_ZOOM_MM = 45.0
_COLUMNS = (
    Column("case", "case"),
    Column("centre", "centre"),
    Column("dice", "Dice"),
    Column("assd_mm", "ASSD (mm)", 2),
    Column("reference_mm3", "label (mm3)", 0),
    Column("predicted_mm3", "prediction (mm3)", 0),
    Column("fold_dice", "folds agree"),
    Column("pieces", "pieces"),
    Column("doubts", "doubts"),
)


def viewer() -> Viewer:
    """That of `gbaseg review`."""
    static = files("gbaseg.review").joinpath("static")
    script, niivue = (static.joinpath(name).read_text(encoding="utf-8") for name in ("viewer.js", "niivue.js"))
    return Viewer(niivue, script)


def sections_of_cases(
    settings: Params, scores: Mapping[str, Sequence[CaseScore]], names: Mapping[str, str]
) -> tuple[dict[str, Section], list[View]]:
    """Every held-out case of the last round, for each structure the worst first; and what opens behind their rows.

    Args:
        settings: of the run.
        scores: structure -> those of the last round.
        names: structure -> what titles and tables are called besides, empty for the only one.
    """
    last = settings.self_training.last
    cases = select(read_table(layout.STANDARD), domain="target", splits=settings.evaluation.splits)
    known = {(row["case"], row["structure"]): row for row in read_rows(layout.pseudo_labelled(last))}
    scored = {(row.case, row.structure): row for structure in scores for row in scores[structure]}
    views: dict[str, View] = {}
    pictures: dict[tuple[str, str], Picture] = {}
    with meter("held-out cases", len(cases)) as bar:
        for place, case in enumerate(cases):
            of_each = {name: read_held_out(settings, name, case, [last]) for name in settings.labels}
            views[case.case] = _view(f"view-{place}", of_each, settings, room_for(len(cases)))
            for name, held_out in of_each.items():
                slices = interesting_slices(held_out.masks[last], held_out.reference)
                drawn = [overlay_row(which, held_out, {}, z) for which, z in slices.items()]
                caption = _caption(case, scored.get((case.case, name)))
                pictures[case.case, name] = as_image(segmentation_overlays(drawn, _CASE_ZOOM_MM), caption)
            bar.advance()
    sections = {}
    for name, value in settings.labels.items():
        ordered = sorted(cases, key=lambda case: (_dice(scored.get((case.case, name))), case.case))
        rows = [_row(case, scored.get((case.case, name)), known.get((case.case, name), {})) for case in ordered]
        table = Table(f"cases{names[name]}", _COLUMNS, rows, [views[case.case].name for case in ordered], value)
        sections[name] = Section(
            f"Every case{': ' if names[name] else ''}{names[name].removeprefix('_')}",
            f"Masks of {last}, worst case first. A row opens: the scan in three planes, with both masks. "
            "Below: the slice with the lowest Dice, and the middle one.",
            tables=[table] if rows else [],
            pictures=[pictures[case.case, name] for case in ordered],
            grid=True,
            reading=CASES if scores[name] else CASES_UNLABELLED,
        )
    return sections, list(views.values())


def _view(name: str, of_each: Mapping[str, HeldOut], settings: Params, most_bytes: int) -> View:
    """All structures of a case in one view, by their values on the standard grid."""
    image = next(iter(of_each.values())).image
    prediction = np.zeros(image.array.shape, np.uint8)
    reference = np.zeros(image.array.shape, np.uint8)
    for structure, held_out in of_each.items():
        value = settings.labels[structure]
        prediction[held_out.masks[settings.self_training.last]] = value
        if held_out.reference is not None:
            reference[held_out.reference] = value
    has_reference = any(held_out.reference is not None for held_out in of_each.values())
    return cut_out(name, image, prediction, reference if has_reference else None, most_bytes)


def _caption(case: Case, score: CaseScore | None) -> str:
    if score is None:
        return case.case
    return f"{case.case} ({case.centre}): Dice {number(score.dice)}, ASSD {number(score.assd_mm, 2)} mm"


def _dice(score: CaseScore | None) -> float:
    """A case without a label, or with an empty one, comes last: its Dice is undefined."""
    return math.inf if score is None or math.isnan(score.dice) else score.dice


def _row(case: Case, score: CaseScore | None, known: Mapping[str, str]) -> list[Cell]:
    scored: list[Cell] = [None] * 4
    if score is not None:
        scored = [score.dice, score.assd_mm, score.reference_mm3, score.predicted_mm3]
    elif known:
        scored[-1] = float(known["volume_mm3"])
    more: list[Cell] = [None] * 3
    if known:
        more = [float(known["fold_dice"]), int(known["pieces"]), known["doubts"]]
    return [case.case, case.centre, *scored, *more]


def interesting_slices(mask: np.ndarray, reference: np.ndarray | None) -> dict[str, int]:
    """The slice (z) with the lowest Dice, and the median of those with tumour.

    Args:
        mask, reference: (Z, Y, X); without a reference only the prediction's middle is shown, and without either the
            volume's.
    """
    shown = mask if reference is None or not reference.any() else reference
    where = np.flatnonzero(shown.any(axis=(1, 2)))
    middle = int(where[len(where) // 2]) if where.size else mask.shape[0] // 2
    if reference is None or not (mask.any() or reference.any()):
        return {"middle": middle}
    sizes = mask.sum(axis=(1, 2)) + reference.sum(axis=(1, 2))
    overlap = (mask & reference).sum(axis=(1, 2))
    dice = np.where(sizes > 0, 2 * overlap / np.maximum(sizes, 1), np.inf)
    # Of equals the one with the most voxels: a slice of one voxel says little.
    worst = min(range(len(dice)), key=lambda z: (dice[z], -sizes[z]))
    return {"worst": int(worst), "middle": middle}
