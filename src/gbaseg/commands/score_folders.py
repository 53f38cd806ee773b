"""evaluate --predictions: Dice and ASSD of any folder of masks against another; no part of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gbaseg.commands.outputs import same_file
from gbaseg.errors import UserError
from gbaseg.evaluation.folders import pair_masks, score_pair, value_faults
from gbaseg.evaluation.rounds import print_scores
from gbaseg.evaluation.settings import EMPTY_ASSD_MM
from gbaseg.evaluation.summary import summarise, write_scores
from gbaseg.evaluation.text import plain_console
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log
from gbaseg.runtime.whole import written_whole


def run(
    predictions: Path, references: Path, out: Path, structures: Mapping[str, int], resample_predictions: bool = False
) -> None:
    """Write `out` (CSV, one line a case and structure) and print the means.

    Args:
        predictions, references: folders of masks; files pair by case name.
        out: the table; appears whole or not at all.
        structures: name -> value in the masks.
        resample_predictions: bring predictions to the references' grids first.

    Raises:
        UserError: files that do not pair, are damaged, no masks, on another grid, or hold other values than
            `structures` says (`value_faults`); `out` is one of the masks: all of them in one message.
    """
    pairs, faults = pair_masks(predictions, references)
    if same := same_file(out, [path for pair in pairs for path in (pair.prediction, pair.reference)]):
        faults.append(f"--out {out}: {same}, a mask that is scored; name another file")
    for pair in pairs:
        if same_file(pair.prediction, [pair.reference]):
            faults.append(
                f"{pair.prediction}: the same file as its reference {pair.reference}; allowed: one of its own"
            )
    results = run_tasks(
        [
            Task(
                f"score {pair.case}",
                score_pair,
                {
                    "pair": pair,
                    "structures": dict(structures),
                    "empty_mm": EMPTY_ASSD_MM,
                    "resample_prediction": resample_predictions,
                },
            )
            for pair in pairs
        ],
        name="score",
        light=True,
    )
    for note in (note for one in results for note in one.notes):
        log(note)
    faults += [fault for one in results for fault in one.faults]
    faults += value_faults(results, structures)
    if faults:
        raise UserError("\n".join([f"{len(faults)} fault(s), nothing written:", *(f"  - {fault}" for fault in faults)]))
    scores = [row for one in results for row in one.scores]
    with written_whole(out) as partial:
        write_scores(scores, partial)
    print_scores(summarise(scores), plain_console())
    log(f"{len(pairs)} case(s) in {out}")
