"""figures: what compares experiments: translations (Fig. 4), masks with and without GBA (Fig. 9), scores (Fig. 10)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from gbaseg.commands.experiments import load_runs
from gbaseg.commands.outputs import remove_former
from gbaseg.commands.revisions import open_revision, read_volume, values_of
from gbaseg.commands.without_labels import read_cases
from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.image_figures import (
    OverlayRow,
    TranslationRow,
    segmentation_overlays,
    translations_side_by_side,
)
from gbaseg.evaluation.runs import Run, group_runs
from gbaseg.evaluation.score_figures import score_boxes
from gbaseg.evaluation.summary import CaseScore
from gbaseg.evaluation.tables import label, label_of_translation
from gbaseg.runtime.progress import log
from gbaseg.standardise.case import StandardCase, standardise_label
from gbaseg.translation.settings import UNTRANSLATED
from gbaseg.workflow import layout
from gbaseg.workflow.panel import central_slice
from gbaseg.workflow.pictures import evenly

_CASES = 3
_ZOOM_MM = 40.0  # of close-ups, or what the structure needs
_BOXES, _OVERLAYS = ("scores_by_arm.svg", "scores_by_arm.png"), "overlays_by_arm.png"
_TRANSLATIONS = {"translations.png": None, "translations_close_up.png": _ZOOM_MM}


def run(experiments: Sequence[str], out: Path, structure: str = "") -> None:
    """Write `scores_by_arm.svg` and `.png`, `overlays_by_arm.png`, and where there are translations `translations.png`
    and `translations_close_up.png`, into `out`.

    Args:
        experiments: see `load_runs`.
        out: folder of the figures.
        structure: whose scores and masks; empty: the tumour.

    Raises:
        UserError: see `load_runs`; or images and masks that are no longer in DVC's cache.
    """
    runs = load_runs(experiments, structure)
    scored = [one for one in runs if all(one.rounds.values())]
    made: dict[str, Figure] = {}
    if scored:
        made |= dict.fromkeys(_BOXES, score_boxes(scores_by_arm(scored)))
        made[_OVERLAYS] = _overlays(scored, structure)
    translated = one_of_each_translation(runs)
    if translated:
        rows = _translations(translated, structure)
        made |= {name: translations_side_by_side(rows, zoom_mm=zoom_mm) for name, zoom_mm in _TRANSLATIONS.items()}
    # Written when all are drawn: what fails leaves none of this call beside others of an earlier one.
    for name, figure in made.items():
        save(figure, out / name)
    remove_former(out / name for name in (*_BOXES, _OVERLAYS, *_TRANSLATIONS) if name not in made)
    log(f"{', '.join(made) or 'nothing to draw'} in {out}")


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
    """The first run of every translation of the lowest seed, by a name such as `cyclegan A run 2`."""
    with_translation = [one for one in runs if one.translation not in UNTRANSLATED]
    seed = min((one.seed for one in with_translation), default=0)
    found: dict[str, Run] = {}
    for one in sorted(with_translation, key=lambda one: (one.centre, one.retraining)):
        if one.seed == seed:
            found.setdefault(label_of_translation(one.setting[:3]), one)
    return found


def _translations(runs: dict[str, Run], structure: str) -> list[TranslationRow]:
    """A few source cases, evenly through the set, at the structure's central slice."""
    opened = {name: open_revision(one.revision, one.name) for name, one in runs.items()}
    first = next(iter(opened.values()))
    value, _ = values_of(first, structure)
    rows = []
    for case in evenly(read_cases(first, layout.TRANSLATED), _CASES):
        source = read_volume(first, layout.STANDARD / "images" / f"{case.case}.nii.gz")
        mask = read_volume(first, layout.TRANSLATED / case.label).array == value
        z = central_slice(mask)
        pseudo = {name: read_volume(files, layout.TRANSLATED / case.image).array[z] for name, files in opened.items()}
        rows.append(TranslationRow(case.case, source.array[z], pseudo, mask[z], source.grid.spacing_zyx_mm[1:]))
    return rows


def _overlays(runs: Sequence[Run], structure: str) -> Figure:
    """Fig. 9: scored cases of one seed, from the worst to the best of the first setting, as each setting's last round
    segments them."""
    seed = min(one.seed for one in runs)
    columns = {label(one.setting): one for one in runs if one.seed == seed}
    opened = {name: open_revision(one.revision, one.name) for name, one in columns.items()}
    last = {name: list(one.rounds)[-1] for name, one in columns.items()}
    dice = {name: {row.case: row.dice for row in one.rounds[last[name]]} for name, one in columns.items()}
    first = next(iter(opened.values()))
    value, in_labels = values_of(first, structure)
    scored = {case.case: case for case in read_cases(first, layout.STANDARD)}
    labels = {case.case: case for case in read_cases(first, layout.SCORING)}
    worst_first = sorted(next(iter(dice.values())).items(), key=lambda pair: pair[1])
    rows = []
    for name in evenly([case for case, _ in worst_first], _CASES):
        image = read_volume(first, layout.STANDARD / scored[name].image)
        record = StandardCase.from_dict(json.loads(first.read_text(str(layout.STANDARD / f"records/{name}.json"))))
        labelled = standardise_label(read_volume(first, layout.SCORING / labels[name].label), record)
        reference = labelled.array == in_labels
        z = central_slice(reference)
        masks = {
            arm: read_volume(files, layout.pseudo_labelled(last[arm]) / "standard" / f"{name}.nii.gz").array[z] == value
            for arm, files in opened.items()
        }
        scores = {arm: of_case[name] for arm, of_case in dice.items() if name in of_case}
        rows.append(OverlayRow(name, image.array[z], reference[z], masks, scores, image.grid.spacing_zyx_mm[1:]))
    return segmentation_overlays(rows, _ZOOM_MM)
