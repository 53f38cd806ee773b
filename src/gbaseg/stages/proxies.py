"""proxies: what is known of a round without a label of the target. None of it is the Dice on the target.

Dice on held-out pseudo-target folds (source patients that a fold has not seen, as translated; predicted without
mirroring), and how far the target's pseudo-labels agree between the folds and with the round before.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
from gbaseg.evaluation.summary import CaseScore, score_case, summarise
from gbaseg.params import Params
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.turns import beside_gpu, dealt_out
from gbaseg.segmentation.ensemble import IMPORTED, Ensemble
from gbaseg.segmentation.prediction import decide
from gbaseg.segmentation.splits import deal_patients
from gbaseg.stages import layout
from gbaseg.stages.context import read_json, stage, write_json
from gbaseg.stages.pseudo_label import TABLE, doubtful_cases
from gbaseg.stages.train_segmentation import fold_seed, patient_pools

_CASES_A_TASK = 6


def run(round_id: str) -> None:
    """Run the stage for one round of `self_training.rounds`."""
    settings = params.load()
    settings.self_training.round(round_id)  # raises where there is none
    model, labels = layout.model_of(round_id), layout.pseudo_labelled(round_id)
    inputs = [layout.STANDARD, layout.TRANSLATED, model, labels]
    with stage(f"proxies/{round_id}", {}, inputs, [layout.proxies(round_id)]) as scratch:
        about = read_json(labels / layout.ROUND)
        metrics: dict[str, Any] = {"passed_on": about["passed_on"], "round_agreement": about["agreement"]}
        if not about["passed_on"]:
            metrics |= _agreement_of_folds(labels, settings)
            metrics["pseudo_target"] = _held_out(model, settings, round_id)
        write_json(scratch.output(layout.proxies(round_id)), metrics)


def _agreement_of_folds(labels: Path, settings: Params) -> dict[str, Any]:
    """Of the tumour's pseudo-labels on the target's training cases."""
    chosen = {case.case for case in select(read_table(layout.STANDARD), domain="target", splits=["train"])}
    with (labels / TABLE).open(newline="") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row["structure"] == settings.dataset.tumour and row["case"] in chosen
        ]
    agreement = float(np.mean([float(row["fold_dice"]) for row in rows])) if rows else math.nan
    return {
        "fold_agreement": None if math.isnan(agreement) else round(agreement, 4),
        "doubtful": len(doubtful_cases(labels) & chosen),  # for any structure, as they are left out
        "pseudo_labelled": len(rows),
    }


def _held_out(model: Path, settings: Params, round_id: str) -> dict[str, Any]:
    """Dice and ASSD of each fold on the pseudo-target images of the patients it was not trained on."""
    fold_of = deal_patients(patient_pools(), settings.segmentation.folds, fold_seed(settings))
    import_for_workers(*IMPORTED)
    exclusive, tasks = is_gpu(), []
    for fold in range(settings.segmentation.folds):
        cases = [case for case in read_table(layout.TRANSLATED) if fold_of[case.patient] == fold]
        for group in dealt_out(cases, _CASES_A_TASK, exclusive):
            arguments = {"model": model, "fold": fold, "cases": group, "settings": settings}
            tasks.append(Task(f"{round_id} fold {fold} from {group[0].case}", score_held_out, arguments))
    name = "" if exclusive else f"{round_id}: held-out folds ({_CASES_A_TASK} cases a step)"
    results = run_tasks(tasks, name=name, exclusive=exclusive)
    return summarise([row for rows in results for row in rows], ())


def score_held_out(model: Path, fold: int, cases: list[Case], settings: Params) -> list[CaseScore]:
    """Scores of one fold on some pseudo-target images; runs in a worker."""
    # Not mirrored: eight times the work, for a check that is about the training and no result.
    prediction = settings.segmentation.prediction.model_copy(update={"mirroring": False})
    ensemble = Ensemble(model, prediction, [fold])

    def scores_of(case: Case) -> list[CaseScore]:
        image = volume.read(layout.TRANSLATED / case.image, np.float32)
        label = volume.read(layout.TRANSLATED / case.label)
        folds = ensemble.fold_probabilities(image)
        voxel_mm3 = image.grid.voxel_mm3
        mask = decide(folds, ensemble.structures, prediction, case.case, voxel_mm3).mask
        return [
            score_case(
                label.array == value,
                mask == value,
                image.grid.spacing_zyx_mm,
                case=case.case,
                centre=case.centre,
                split=case.split,
                structure=name,
                empty_mm=settings.evaluation.empty_assd_mm,
            )
            for name, value in settings.labels.items()
        ]

    scores = beside_gpu(scores_of, cases, f"fold {fold}: held-out from {cases[0].case}")
    return [score for of_case in scores for score in of_case]
