"""Of the report: what went wrong, or is to be looked at, case by case and for the run as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gbaseg.evaluation.report import Section
from gbaseg.evaluation.report_tables import Column, Table
from gbaseg.evaluation.rounds import Rounds
from gbaseg.evaluation.summary import CaseScore
from gbaseg.params import Params
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json
from gbaseg.workflow.pseudo_labels import read_rows, training_cases

_COLUMNS = (Column("of", "of"), Column("structure", "structure"), Column("what", "what"), Column("do", "what to do"))
# of the run, a round or a case; structure; what; what to do
Line = tuple[str, str, str, str]
# By the doubts of `self_training.confidence`, as its table has them.
_DOUBTS = {
    "empty": "segmentation.prediction.threshold down; copies in the contrast that it has",
    "in pieces": "pieces of dataset.structures; segmentation.prediction.threshold up",
    "volume outside the source's range": "the source has none of that size",
    "folds disagree": "more epochs",
    "no fold finds it by itself": "more epochs",
}
_REVIEW = "gbaseg review"


def section_of_faults(settings: Params, rounds: Rounds, scores: Mapping[str, Sequence[CaseScore]]) -> Section:
    """Errors and warnings: of data, rounds, held-out cases and pseudo-labels.

    Args:
        settings: of the run.
        rounds: metrics of the survey and of every round.
        scores: structure -> those of the last round.
    """
    lines = [*_of_data(), *_of_rounds(rounds), *_of_cases(settings, scores), *_of_pseudo_labels(settings)]
    if not lines:
        return Section("Errors and warnings", "None.")
    counted = (
        f"{len(lines)}, of the data, the rounds, the held-out cases and the last round's pseudo-labels, in this order."
    )
    return Section("Errors and warnings", counted, tables=[Table("warnings", _COLUMNS, lines)])


def _of_data() -> Iterator[Line]:
    path = layout.METRICS / "data.json"
    found = read_json(path) if path.is_file() else {}
    log = "dvc repro -f -s standardise names them"
    if count := found.get("faults"):
        yield (
            "data",
            "",
            f"{found['skipped_cases']} case(s) left out as faulty, {count} fault(s)",
            f"mend the files; {log}",
        )
    if count := found.get("labels_cut_by_the_crop"):
        yield "data", "", f"{count} label(s) cut by the crop", "standardise.crop_xy_px, crop_z_px"
    for key, words in (
        ("slices_turned_otherwise", "scan(s) whose slices lie otherwise than the others'"),
        ("thickest_side_in_slices", "scan(s) with their thickest side in the slices"),
    ):
        if count := found.get(key):
            yield "data", "", f"{count} {words}: {found[f'{key}_in']}", "standardise.slices"


def _of_rounds(rounds: Rounds) -> Iterator[Line]:
    for name, metrics in rounds:
        if metrics.get("translation_failed"):
            yield name, "", "the translation has failed", "plots/panel.png; translation.mode: auto, histogram or none"
        if metrics.get("found_nothing"):
            yield name, "", "its model finds nothing in any training case of the target", "docs/problems.md"
        if "computed" in metrics:
            yield name, "", "its training went on with another number of threads: not the same to the bit", "nothing"
        if metrics.get("passed_on"):
            yield name, "", "not trained: a round before had converged or failed", "nothing, or self_training.stop"


def _of_cases(settings: Params, scores: Mapping[str, Sequence[CaseScore]]) -> Iterator[Line]:
    low = settings.evaluation.low_dice[0] if settings.evaluation.low_dice else 0.0
    for structure, rows in scores.items():
        for row in sorted(rows, key=lambda row: row.case):
            if math.isnan(row.dice):
                if row.predicted_mm3 > 0:
                    said = f"found ({row.predicted_mm3:.0f} mm3) where the label has none"
                    yield row.case, structure, said, "open its row below"
            elif row.predicted_mm3 == 0:
                yield row.case, structure, "nothing found", _DOUBTS["empty"]
            elif row.dice < low:
                yield row.case, structure, f"Dice {row.dice:.3f}, under {low:g}", "open its row below"


def _of_pseudo_labels(settings: Params) -> Iterator[Line]:
    last = settings.self_training.last
    trained_on = {case.case for case in training_cases()}
    for row in read_rows(layout.pseudo_labelled(last)):
        doubts = [doubt for doubt in row["doubts"].split("; ") if doubt]
        if doubts:
            said = "; ".join(_with_number(doubt, row) for doubt in doubts)
            seen = [f"{_REVIEW} --round {last} shows it"] if row["case"] in trained_on else []
            todo = dict.fromkeys([*seen, *(_DOUBTS.get(doubt, "look at it") for doubt in doubts)])
            yield row["case"], row["structure"], said, "; ".join(todo)


def _with_number(doubt: str, row: Mapping[str, Any]) -> str:
    """What it is said of: `in pieces (4, the largest 0.46)`."""
    of = {
        "in pieces": f"{row['pieces']}, the largest has {float(row['largest_share']):.0%} of it",
        "folds disagree": f"Dice {float(row['fold_dice']):.2f}",
        "volume outside the source's range": f"{float(row['volume_mm3']):.0f} mm3",
    }
    return f"{doubt} ({of[doubt]})" if doubt in of else doubt
