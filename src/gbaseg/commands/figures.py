"""figures: what compares experiments: CycleGAN runs side by side (Fig. 4), scores by arm (Fig. 10)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gbaseg.augmentation.singan.slices import central_tumour_slice
from gbaseg.cases import Case
from gbaseg.commands.experiments import load_runs, open_revision, read_volume
from gbaseg.errors import UserError
from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.image_figures import TranslationRow, translations_side_by_side
from gbaseg.evaluation.runs import NO_TRANSLATION, Run, group_runs
from gbaseg.evaluation.score_figures import score_boxes
from gbaseg.evaluation.summary import CaseScore
from gbaseg.evaluation.tables import label
from gbaseg.runtime.progress import log
from gbaseg.stages import layout

_CASES = 3


def run(experiments: Sequence[str], out: Path, structure: str = "") -> None:
    """Write `scores_by_arm.svg` and `.png`, and `translations.png` where there are translations, into `out`.

    Args:
        experiments: see `load_runs`.
        out: folder of the figures.
        structure: whose scores; empty: the tumour.
    """
    runs = load_runs(experiments, structure)
    scored = [one for one in runs if all(one.rounds.values())]
    written = []
    if scored:
        figure = score_boxes(scores_by_arm(scored))
        for suffix in (".svg", ".png"):
            save(figure, out / f"scores_by_arm{suffix}")
            written.append(f"scores_by_arm{suffix}")
    translated = one_of_each_translation(runs)
    if translated:
        save(_translations(translated), out / "translations.png")
        written.append("translations.png")
    log(f"{', '.join(written) or 'nothing to draw'} in {out}")


def scores_by_arm(runs: Sequence[Run]) -> dict[str, dict[str, list[CaseScore]]]:
    """Setting -> round -> scores of all its seeds; a case's name has its seed, so that it is one dot a seed."""
    arms: dict[str, dict[str, list[CaseScore]]] = {}
    for setting, group in group_runs(runs).items():
        rounds = arms.setdefault(label(setting), {})
        for one in group:
            for round_id, rows in one.rounds.items():
                rounds.setdefault(round_id, []).extend(replace(row, case=f"{row.case} {one.seed}") for row in rows)
    return arms


def one_of_each_translation(runs: Sequence[Run]) -> dict[str, Run]:
    """The first run of every CycleGAN of the lowest seed, by a short name such as `A, run 0`."""
    with_translation = [one for one in runs if one.translation != NO_TRANSLATION]
    seed = min((one.seed for one in with_translation), default=0)
    found: dict[str, Run] = {}
    for one in sorted(with_translation, key=lambda one: (one.centre, one.retraining)):
        if one.seed == seed:
            found.setdefault(f"{one.centre}, run {one.retraining}", one)
    return found


def _translations(runs: dict[str, Run]) -> Figure:
    """A few source cases, evenly through the set, at the tumour's central slice."""
    opened = {name: open_revision(one.revision) for name, one in runs.items()}
    first = next(iter(opened.values()))
    listing = layout.TRANSLATED / "cases.csv"
    try:
        table = csv.DictReader(io.StringIO(first.read_text(str(listing))))
    except OSError as error:
        raise UserError(f"{listing}: {error}; no longer in DVC's cache") from error
    cases = [Case(**row) for row in table]  # type: ignore[arg-type]
    places = np.unique(np.linspace(0, len(cases) - 1, min(_CASES, len(cases))).round().astype(int))
    rows = []
    for case in (cases[place] for place in places):
        source = read_volume(first, layout.STANDARD / "images" / f"{case.case}.nii.gz")
        mask = read_volume(first, layout.TRANSLATED / case.label).array == 1
        z = central_tumour_slice(mask) if mask.any() else mask.shape[0] // 2
        pseudo = {name: read_volume(files, layout.TRANSLATED / case.image).array[z] for name, files in opened.items()}
        rows.append(TranslationRow(case.case, source.array[z], pseudo, mask[z], source.grid.spacing_zyx_mm[1:]))
    return translations_side_by_side(rows)
