"""summarise: one line for the whole run, its table of rounds, and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from matplotlib.figure import Figure

from gbaseg import params
from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.figures import dice_assd_by_round
from gbaseg.evaluation.image_figures import intensity_distributions
from gbaseg.evaluation.rounds import Rounds, summarise_rounds, write_rounds
from gbaseg.params import Params
from gbaseg.workflow import layout
from gbaseg.workflow.all_rounds import any_scored, appearance_figures, read_rounds, scores_of
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.context import read_json, stage, write_json
from gbaseg.workflow.panel import draw_panel
from gbaseg.workflow.pictures import naive_and_gba, overlays, sample_intensities

BASELINE = layout.round_metrics(layout.BASELINE)
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
    if any_scored(scores):
        figures["rounds"] = dice_assd_by_round(scores, structure)
    if (blending := naive_and_gba(settings, structure)) is not None:
        figures["blending"] = blending
    return figures


def _save(name: str, suffix: str, figure: Figure, plots: Path) -> None:
    for ending in ("png", "svg") if name in VECTORS else ("png",):
        save(figure, plots / f"{name}{suffix}.{ending}")
