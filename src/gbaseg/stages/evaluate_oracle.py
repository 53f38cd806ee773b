"""evaluate_oracle: Dice and ASSD of the oracle on the held-out target cases; empty where none was trained."""

from __future__ import annotations

from typing import Any

from gbaseg import params
from gbaseg.cases import read_table, select
from gbaseg.evaluation.summary import CaseScore, summarise, write_scores
from gbaseg.runtime.progress import log
from gbaseg.stages.evaluate import score_all
from gbaseg.stages.pseudo_label import label_target
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, stage, write_json


def run() -> None:
    """Run the stage."""
    settings = params.load()
    model, name = layout.model_of(layout.ORACLE), layout.ORACLE
    outputs = [layout.round_metrics(name), layout.case_scores(name)]
    with stage("evaluate_oracle", {}, [layout.STANDARD, layout.SCORING, model], outputs) as scratch:
        scores: list[CaseScore] = []
        metrics: dict[str, Any] = {}
        if read_json(model / layout.ROUND, "trained")["trained"]:
            label_target(settings, model, scratch.work / "masks", fine=False, name=name, own_labels=True)
            cases = select(read_table(layout.SCORING), domain="target", splits=settings.evaluation.splits)
            scores = score_all(cases, scratch.work / "masks" / "scan", settings, name)
            metrics = summarise(scores, settings.evaluation.low_dice)
            log(f"{name}: mean Dice {metrics[settings.dataset.tumour]['dice']['mean']} on {len(cases)} cases")
        write_scores(scores, scratch.output(layout.case_scores(name)))
        write_json(scratch.output(layout.round_metrics(name)), metrics)
