"""summarise: one line for the whole run, its table of rounds, and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from matplotlib.figure import Figure

from gbaseg import params
from gbaseg.evaluation.appearance_figure import appearance_density
from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.image_figures import intensity_distributions
from gbaseg.evaluation.rounds import Rounds, summarise_rounds, write_rounds
from gbaseg.evaluation.summary import CaseScore, read_scores
from gbaseg.params import Params
from gbaseg.stages.baseline import METRICS as BASELINE
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import looks
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.context import need, read_json, stage, write_json
from gbaseg.workflow.panel import draw_panel
from gbaseg.workflow.pictures import naive_and_gba, overlays, sample_intensities
from gbaseg.workflow.provenance import refuse_strangers

VECTORS = ("rounds", "appearance", "intensities")  # plots; the others are images
SUMMARY = layout.METRICS / "summary.json"


def run() -> None:
    """Run the stage."""
    settings = params.load()
    inputs = [layout.STANDARD, layout.SCORING, layout.TRANSLATED, layout.AUGMENTED, layout.SINGAN_MODEL, BASELINE]
    inputs += [layout.ADAPTED, layout.ROUND_SINGANS]
    with stage("summarise", {}, inputs, [SUMMARY, layout.PLOTS]) as scratch:
        plots = scratch.output(layout.PLOTS)
        plots.mkdir()
        rounds = read_rounds(settings)
        write_rounds(rounds, plots / "rounds.csv")
        _save("intensities", "", intensity_distributions(sample_intensities(settings)), plots)
        tumour, *others = settings.labels
        for structure, appearances in appearance_figures(settings).items():
            suffix = "" if structure == tumour else f"_{quote(structure, safe='')}"
            for round_id, appearance in appearances.items():
                of_round = "" if round_id == settings.self_training.last else f"_{round_id}"
                _save("appearance", f"{of_round}{suffix}", appearance, plots)
            for name, figure in _figures(settings, structure, rounds).items():
                _save(name, suffix, figure, plots)
        facts: dict[str, Any] = {
            "arm": settings.augmentation.arm,
            "translation": chosen(settings.translation).mode,
            "seed": settings.seed,
            "threshold_dice_mean": read_json(BASELINE).get(tumour, {}).get("dice", {}).get("mean"),
        }
        trained = [(name, metrics) for name, metrics in rounds if name != layout.SURVEY]
        low = settings.evaluation.shown_low_dice
        write_json(scratch.output(SUMMARY), summarise_rounds(trained, tumour, facts=facts, low_dice=low, others=others))


def _figures(settings: Params, structure: str, rounds: Rounds) -> dict[str, Figure]:
    """Those that show one structure; its axes and contours are of no other."""
    scores = scores_of(structure, rounds)
    figures = {
        "panel": draw_panel(settings, structure),
        "overlays": overlays(settings, structure, [pair for pair in scores if pair[0] != layout.SURVEY]),
    }
    if any(rows for _, rows in scores):
        figures["rounds"] = dice_assd_by_round(scores, structure)
    if (blending := naive_and_gba(settings, structure)) is not None:
        figures["blending"] = blending
    return figures


def _save(name: str, suffix: str, figure: Figure, plots: Path) -> None:
    for ending in ("png", "svg") if name in VECTORS else ("png",):
        save(figure, plots / f"{name}{suffix}.{ending}")


def read_rounds(settings: Params) -> list[tuple[str, dict[str, Any]]]:
    """Metrics of the survey and of every round, in order.

    Raises:
        UserError: some are missing, or of another run.
    """
    names = [layout.SURVEY, *(item.id for item in settings.self_training.rounds)]
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
