"""How well a round segments what its folds have not seen: source patients, translated. Not the Dice on the target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import volume
from gbaseg.cases import Case, read_table
from gbaseg.evaluation.settings import EMPTY_ASSD_MM
from gbaseg.evaluation.summary import CaseScore, score_case, summarise
from gbaseg.params import Params
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.turns import beside_gpu, dealt_out
from gbaseg.segmentation.decision import decide
from gbaseg.segmentation.ensemble import IMPORTED, Ensemble
from gbaseg.segmentation.splits import deal_patients
from gbaseg.workflow import layout
from gbaseg.workflow.folds import fold_seed, patient_pools

_CASES_A_TASK = 6


def score_folds(model: Path, settings: Params, round_id: str) -> dict[str, Any]:
    """Dice and ASSD of each fold on the pseudo-target images of the patients it was not trained on, not mirrored."""
    fold_of = deal_patients(patient_pools(), settings.segmentation.folds, fold_seed(settings))
    import_for_workers(*IMPORTED)
    exclusive, tasks = is_gpu(), []
    for fold in range(settings.segmentation.folds):
        cases = [case for case in read_table(layout.TRANSLATED) if fold_of[case.patient] == fold]
        for group in dealt_out(cases, _CASES_A_TASK, exclusive):
            arguments = {"model": model, "fold": fold, "cases": group, "settings": settings}
            tasks.append(Task(f"{round_id} fold {fold} from {group[0].case}", score_cases, arguments))
    name = "" if exclusive else f"{round_id}: held-out folds ({_CASES_A_TASK} cases a step)"
    results = run_tasks(tasks, name=name, exclusive=exclusive)
    return summarise([row for rows in results for row in rows], ())


def score_cases(model: Path, fold: int, cases: list[Case], settings: Params) -> list[CaseScore]:
    """Scores of one fold on some pseudo-target images; runs in a worker."""
    # Not mirrored: eight times the work, for a check that is about the training and no result.
    prediction = settings.segmentation.prediction.model_copy(update={"mirroring": False})
    ensemble = Ensemble(model, prediction, [fold])

    def scores_of(case: Case) -> list[CaseScore]:
        image = volume.read(layout.TRANSLATED / case.image, np.float32)
        label = volume.read(layout.TRANSLATED / case.label)
        folds = ensemble.fold_probabilities(image)
        voxel_mm3 = image.grid.voxel_mm3
        mask = decide(folds, settings.pieces, prediction, case.case, voxel_mm3).mask
        return [
            score_case(
                label.array == value,
                mask == value,
                image.grid.spacing_zyx_mm,
                case=case.case,
                centre=case.centre,
                split=case.split,
                structure=name,
                # Whatever evaluation.empty_assd_mm says: no mask is to be made anew because of it.
                empty_mm=EMPTY_ASSD_MM,
            )
            for name, value in settings.labels.items()
        ]

    scores = beside_gpu(scores_of, cases, f"fold {fold}: held-out from {cases[0].case}")
    return [score for of_case in scores for score in of_case]
