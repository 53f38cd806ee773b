"""All rounds side by side, as the summary and the report show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from gbaseg.evaluation.appearance_figure import appearance_density
from gbaseg.evaluation.rounds import Rounds
from gbaseg.evaluation.summary import CaseScore, read_scores
from gbaseg.params import Params
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import looks
from gbaseg.workflow.context import need, read_json
from gbaseg.workflow.provenance import refuse_strangers


def read_rounds(settings: Params) -> list[tuple[str, dict[str, Any]]]:
    """Metrics of the survey and of every round, in order.

    Raises:
        UserError: some are missing, or of another run.
    """
    names = settings.self_training.ids
    files = [layout.round_metrics(name) for name in names]
    need(files)
    refuse_strangers(files)
    return [(name, read_json(file, "agreement")) for name, file in zip(names, files, strict=True)]


def scores_of(structure: str, rounds: Rounds) -> list[tuple[str, list[CaseScore]]]:
    """Scores of a structure in each round, case by case."""
    return [
        (name, [row for row in read_scores(layout.case_scores(name)) if row.structure == structure])
        for name, _ in rounds
    ]


def any_scored(scores: Sequence[tuple[str, Sequence[CaseScore]]]) -> bool:
    """Whether there is anything to draw of a structure: it may be in no label of the target."""
    return any(not math.isnan(row.dice) for _, rows in scores for row in rows)


def appearance_figures(settings: Params) -> dict[str, dict[str, Figure]]:
    """Fig. 7 of each structure, by round: of the last, or where copies are drawn anew for every round, of all.

    Against the pseudo-labels of the round itself.
    """
    of_all = [item.id for item in settings.self_training.rounds] if settings.augmentation.adapts else []
    found: dict[str, dict[str, Figure]] = {name: {} for name in settings.labels}
    for round_id in of_all or [settings.self_training.last]:
        for name, seen in looks(settings, layout.copies_of(round_id), round_id).items():
            called = "tumour" if name == settings.dataset.tumour else name
            after = seen.before + seen.added
            found[name][round_id] = appearance_density(seen.before, after, seen.target, called)
    return found
