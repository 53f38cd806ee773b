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
from gbaseg.runtime.progress import meter
from gbaseg.stages import layout
from gbaseg.stages.context import read_record, stage, write_json
from gbaseg.stages.evaluate import score_structure
from gbaseg.standardise.case import to_raw

NAME = "baseline"
METRICS = layout.METRICS / "baseline.json"
# Its two dozen numbers need no more cases than this to be chosen.
_SOURCE_CASES = 24


def run() -> None:
    """Choose the threshold on the pseudo-target images and the source's labels; score it on the target."""
    settings = params.load()
    outputs = [METRICS, layout.case_scores(NAME)]
    with stage("baseline", {}, [layout.STANDARD, layout.SCORING, layout.TRANSLATED], outputs) as scratch:
        cases = select(read_table(layout.SCORING), domain="target", splits=settings.evaluation.splits)
        rows, about = _scores(settings, cases) if cases else ([], {})
        write_scores(rows, scratch.output(layout.case_scores(NAME)))
        write_json(scratch.output(METRICS), {**summarise(rows, settings.evaluation.low_dice), **about})


def _scores(settings: Params, cases: list[Case]) -> tuple[list[CaseScore], dict[str, Any]]:
    """Scores of the cases, and the threshold."""
    tumour = settings.dataset.tumour
    source = read_table(layout.TRANSLATED)
    chosen = source[:: -(-len(source) // _SOURCE_CASES)]
    labels = [volume.read(layout.TRANSLATED / case.label) for case in chosen]
    threshold, masks = bright_threshold_baseline(
        [volume.read(layout.TRANSLATED / case.image, np.float32) for case in chosen],
        [label.with_array(label.array == settings.labels[tumour]) for label in labels],
        [volume.read(layout.STANDARD / "images" / f"{case.case}.nii.gz", np.float32) for case in cases],
    )
    rows = []
    with meter("baseline", len(cases)) as bar:
        for case, mask in zip(cases, masks, strict=True):
            record = read_record(layout.STANDARD / "records" / f"{case.case}.json")
            on_scan = to_raw(volume.Volume(mask.astype(np.uint8), record.grid), record)
            reference = volume.read(layout.SCORING / case.label)
            rows.append(score_structure(case, tumour, reference, on_scan.array == 1, settings))
            bar.advance()
    return rows, {"threshold": asdict(threshold)}
