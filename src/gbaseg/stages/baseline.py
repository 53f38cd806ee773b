"""baseline: what a threshold alone reaches on the held-out target cases. No arm is an achievement below it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
from gbaseg.evaluation.baselines import bright_threshold_baseline
from gbaseg.evaluation.summary import CaseScore, summarise, write_scores
from gbaseg.params import Params
from gbaseg.runtime.progress import log, meter
from gbaseg.stages.evaluate import score_structure
from gbaseg.standardise.case import to_raw
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_record, stage, write_json

METRICS = layout.round_metrics(layout.BASELINE)
# Its two dozen numbers need no more cases than this to be chosen.
_SOURCE_CASES = 24


def run() -> None:
    """Choose the threshold on the pseudo-target images and the source's labels; score it on the target."""
    settings = params.load()
    outputs = [METRICS, layout.case_scores(layout.BASELINE)]
    with stage("baseline", {}, [layout.STANDARD, layout.SCORING, layout.TRANSLATED], outputs) as scratch:
        cases = select(read_table(layout.SCORING), domain="target", splits=settings.evaluation.splits)
        rows, about = _scores(settings, cases) if cases else ([], {})
        write_scores(rows, scratch.output(layout.case_scores(layout.BASELINE)))
        write_json(scratch.output(METRICS), {**summarise(rows, settings.evaluation.low_dice), **about})


def _scores(settings: Params, cases: list[Case]) -> tuple[list[CaseScore], dict[str, Any]]:
    """Scores of the cases, and the thresholds; none of a structure that the source's cases do not have."""
    source = read_table(layout.TRANSLATED)
    chosen = source[:: -(-len(source) // _SOURCE_CASES)]
    labels = [volume.read(layout.TRANSLATED / case.label) for case in chosen]
    images = [volume.read(layout.TRANSLATED / case.image, np.float32) for case in chosen]
    targets = [volume.read(layout.STANDARD / "images" / f"{case.case}.nii.gz", np.float32) for case in cases]
    of_source = {
        name: [label.with_array(label.array == value) for label in labels] for name, value in settings.labels.items()
    }
    for name in [name for name, found in of_source.items() if not any(mask.array.any() for mask in found)]:
        log(f"baseline: {name} is in none of {len(chosen)} source labels: no threshold is chosen for it")
        del of_source[name]
    rows, thresholds = [], {}
    with meter("baseline", len(cases) * len(of_source)) as bar:
        for name, found in of_source.items():
            threshold, masks = bright_threshold_baseline(images, found, targets, pieces=settings.pieces[name])
            thresholds[name] = asdict(threshold)
            for case, mask in zip(cases, masks, strict=True):
                record = read_record(layout.STANDARD / "records" / f"{case.case}.json")
                on_scan = to_raw(volume.Volume(mask.astype(np.uint8), record.grid), record)
                reference = volume.read(layout.SCORING / case.label)
                rows.append(score_structure(case, name, reference, on_scan.array == 1, settings))
                bar.advance()
    about = {"threshold": thresholds.pop(settings.dataset.tumour, None)}
    return rows, {**about, "others": thresholds} if thresholds else about
