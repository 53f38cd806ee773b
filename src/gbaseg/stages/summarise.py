"""summarise: one line for the whole run, its table of rounds, and its pictures."""

from __future__ import annotations

from typing import Any

from gbaseg import params
from gbaseg.augmentation.appearance import Appearance
from gbaseg.evaluation.drawing import save
from gbaseg.evaluation.figures import Appearance as Curve
from gbaseg.evaluation.figures import appearance_density, dice_assd_by_round
from gbaseg.evaluation.image_figures import intensity_distributions
from gbaseg.evaluation.rounds import Rounds, summarise_rounds, write_rounds
from gbaseg.evaluation.summary import CaseScore, read_scores
from gbaseg.params import Params
from gbaseg.stages import layout
from gbaseg.stages.augment import appearance_groups
from gbaseg.stages.baseline import METRICS as BASELINE
from gbaseg.stages.context import need, read_json, stage, write_json
from gbaseg.stages.panel import draw_panel
from gbaseg.stages.pictures import naive_and_gba, overlays, sample_intensities
from gbaseg.stages.provenance import refuse_strangers

VECTORS = ("rounds", "appearance", "intensities")  # plots; the others are images
SUMMARY = layout.METRICS / "summary.json"


def run() -> None:
    """Run the stage."""
    settings = params.load()
    inputs = [layout.STANDARD, layout.SCORING, layout.TRANSLATED, layout.AUGMENTED, layout.SINGAN_MODEL, BASELINE]
    with stage("summarise", {}, inputs, [SUMMARY, layout.PLOTS]) as scratch:
        plots = scratch.output(layout.PLOTS)
        plots.mkdir()
        rounds = read_rounds(settings)
        write_rounds(rounds, plots / "rounds.csv")
        scores = tumour_scores(settings, rounds)
        figures = {
            "appearance": appearance_figure(settings),
            "intensities": intensity_distributions(sample_intensities()),
            "panel": draw_panel(settings),
            "overlays": overlays(settings, [pair for pair in scores if pair[0] != layout.SURVEY]),
        }
        if any(rows for _, rows in scores):
            figures["rounds"] = dice_assd_by_round(scores, settings.dataset.tumour)
        if (blending := naive_and_gba(settings)) is not None:
            figures["blending"] = blending
        for name, figure in figures.items():
            save(figure, plots / f"{name}.png")
            if name in VECTORS:
                save(figure, plots / f"{name}.svg")
        tumour = settings.dataset.tumour
        facts: dict[str, Any] = {
            "arm": settings.augmentation.arm,
            "translation": settings.translation.mode,
            "seed": settings.seed,
            "threshold_dice_mean": read_json(BASELINE).get(tumour, {}).get("dice", {}).get("mean"),
        }
        trained = [(name, metrics) for name, metrics in rounds if name != layout.SURVEY]
        low = settings.evaluation.shown_low_dice
        write_json(scratch.output(SUMMARY), summarise_rounds(trained, tumour, facts=facts, low_dice=low))


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


def tumour_scores(settings: Params, rounds: Rounds) -> list[tuple[str, list[CaseScore]]]:
    """Scores of the tumour in each round, case by case."""
    return [
        (name, [row for row in read_scores(layout.case_scores(name)) if row.structure == settings.dataset.tumour])
        for name, _ in rounds
    ]


def appearance_figure(settings: Params) -> Any:
    """Fig. 7, against the pseudo-labels of the last round."""
    before, added, target = appearance_groups(settings, layout.AUGMENTED, settings.self_training.last)
    return appearance_density(_curve(before), _curve(before + added), _curve(target))


def _curve(group: list[Appearance]) -> Curve:
    return Curve([one.mean for one in group], [one.volume_mm3 for one in group])
