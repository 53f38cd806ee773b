"""evaluate: Dice and ASSD of a round on the held-out target cases, and whether self-training goes on (METHOD 7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
from gbaseg.errors import UserError
from gbaseg.evaluation.summary import CaseScore, score_case, summarise, write_scores
from gbaseg.params import Params
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, stage, write_json
from gbaseg.workflow.verdict import Verdict, decide, judge_translation, rule


def run(round_id: str) -> None:
    """Run the stage for the survey, or for one round of `self_training.rounds`."""
    settings = params.load()
    outputs = [layout.round_metrics(round_id), layout.case_scores(round_id)]
    if round_id != layout.SURVEY:
        outputs.append(layout.decision(settings.self_training.round(round_id).id))
    with stage(f"evaluate/{round_id}", {}, [layout.SCORING, layout.pseudo_labelled(round_id)], outputs) as scratch:
        cases = select(read_table(layout.SCORING), domain="target", splits=settings.evaluation.splits)
        scores = score_all(cases, layout.pseudo_labelled(round_id) / "scan", settings, round_id)
        write_scores(scores, scratch.output(layout.case_scores(round_id)))
        about = read_json(layout.pseudo_labelled(round_id) / layout.ROUND, "agreement", "passed_on")
        metrics: dict[str, Any] = summarise(scores, settings.evaluation.low_dice)
        metrics["agreement"] = about["agreement"]
        if "computed" in about:
            metrics["computed"] = about["computed"]  # a training went on with another number of threads
        if round_id != layout.SURVEY:
            nothing = about.get("found_nothing", False)
            verdict = decide(settings, round_id, metrics, about["agreement"], found_nothing=nothing)
            verdict.write(scratch.output(layout.decision(round_id)))
            metrics["converged"] = verdict.stop and not verdict.failed
            metrics["passed_on"] = about["passed_on"]
            first = round_id == settings.self_training.rounds[0].id
            if first and (judged := judge_translation(settings, metrics)) is not None:
                metrics |= {"translation_failed": judged.failed, "translation_judged_by": judged.by}
                if judged.failed:
                    log(f"WARNING: {round_id}: the translation has failed: {judged.why}")
            if nothing:
                # Only then: a key that is always there would make every run's metrics new.
                metrics["found_nothing"] = True
            if (by := rule(settings, metrics)) != settings.self_training.stop:
                log(
                    f"WARNING: {round_id}: self_training.stop: {settings.self_training.stop}; no validation case has a "
                    f"label with a {settings.dataset.tumour}: rule {by} stops in its place"
                )
            if verdict.stop:
                log(f"{round_id}: self-training stops here: {_why(settings, verdict, nothing, by)}")
        write_json(scratch.output(layout.round_metrics(round_id)), metrics)
        log(f"{round_id}: {_headline(settings, metrics)}")


def _why(settings: Params, verdict: Verdict, nothing: bool, by: str) -> str:
    if nothing:
        return (
            f"WARNING: its model finds no {settings.dataset.tumour} in any training case of the target; a round "
            "trained on these pseudo-labels would learn that there is none. Look at the translation (plots/panel.png), "
            "add augmentation or epochs, or lower segmentation.prediction.threshold"
        )
    return "the translation has failed" if verdict.failed else f"rule {by}"


def score_all(cases: list[Case], folder: Path, settings: Params, name: str) -> list[CaseScore]:
    """Score the masks `folder/CASE.nii.gz`, on the scans' own grids, against the target's labels."""
    rows = run_tasks(
        [Task(f"score {case.case}", score, {"case": case, "folder": folder, "settings": settings}) for case in cases],
        name=f"{name}: score",
        light=True,
    )
    return [row for group in rows for row in group]


def score(case: Case, folder: Path, settings: Params) -> list[CaseScore]:
    """Score every structure of one case; runs in a worker.

    Raises:
        UserError: the mask does not lie on the label's grid.
    """
    reference = volume.read(layout.SCORING / case.label)
    path = folder / f"{case.case}.nii.gz"
    prediction = volume.read(path)
    if not volume.same_voxels(prediction.grid, reference.grid):
        raise UserError(f"{path} lies on {prediction.grid}; its label {case.label} on {reference.grid}")
    return [
        score_structure(case, name, reference, prediction.array == value, settings)
        for name, value in settings.dataset.label_values.items()
    ]


def score_structure(
    case: Case, structure: str, reference: volume.Volume, mask: np.ndarray, settings: Params
) -> CaseScore:
    """Score a mask (Z, Y, X) of one structure against the case's label, which lies on the same grid."""
    return score_case(
        reference.array == settings.dataset.label_values[structure],
        mask,
        reference.grid.spacing_zyx_mm,
        case=case.case,
        centre=case.centre,
        split=case.split,
        structure=structure,
        empty_mm=settings.evaluation.empty_assd_mm,
    )


def _headline(settings: Params, metrics: dict[str, Any]) -> str:
    scores = metrics.get(settings.dataset.tumour)
    if not scores or scores["dice"]["mean"] is None:
        return "no labels to score with"
    return f"mean Dice {scores['dice']['mean']:.3f}, ASSD {scores['assd_mm']['mean']:.2f} mm on {scores['cases']} cases"
