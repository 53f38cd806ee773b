"""oracle: the same network trained on the target's own labels. What an arm could reach; no other stage reads it.

Only where `evaluation.oracle` asks for it, and the target's training cases have labels, as the phantom's have.
"""

from __future__ import annotations

from pathlib import Path

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
from gbaseg.errors import UserError
from gbaseg.evaluation.summary import summarise, write_scores
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.segmentation.dataset import TrainingItem
from gbaseg.stages import layout
from gbaseg.stages.context import read_json, stage, write_json
from gbaseg.stages.evaluate import score_all
from gbaseg.stages.pseudo_label import label_target
from gbaseg.stages.standardise import renumbered
from gbaseg.stages.train_segmentation import train
from gbaseg.standardise.case import StandardCase, standardise_label

NAME = "oracle"


def run() -> None:
    """Run the stage.

    Raises:
        UserError: an oracle is asked for and the target's training cases have too few labels to train on.
    """
    settings = params.load()
    asked = {
        "seed": settings.seed,
        "segmentation": settings.segmentation.model_dump(),
        "spacing": settings.standardise.spacing_xyz_mm,
        "epochs": epochs(settings),
        "oracle": settings.evaluation.oracle,
    }
    metrics, table, curves = layout.METRICS / f"{NAME}.json", layout.case_scores(NAME), layout.CURVES / NAME
    with stage(NAME, asked, [layout.STANDARD, layout.SCORING], [metrics, table, curves], resumable=True) as scratch:
        labelled = select(read_table(layout.SCORING), domain="target")
        held_out = [case for case in labelled if case.split in settings.evaluation.splits]
        scores, content = [], {}
        if settings.evaluation.oracle:
            model = scratch.work / "model"
            train(
                settings,
                _items(settings, [case for case in labelled if case.split == "train"], scratch.work / "labels"),
                scratch.work,
                model,
                scratch.output(curves),
                folds=range(settings.segmentation.folds),
                epochs=epochs(settings),
                name=NAME,
                fine=False,
                previous=None,
            )
            label_target(settings, model, scratch.work / "masks", fine=False, name=NAME)
            scores = score_all(held_out, scratch.work / "masks" / "scan", settings, NAME)
            content = summarise(scores, settings.evaluation.low_dice)
            log(f"{NAME}: mean Dice {content[settings.dataset.tumour]['dice']['mean']} on {len(held_out)} cases")
        else:
            log("not asked for (evaluation.oracle)")
            scratch.output(curves).mkdir()
        write_scores(scores, scratch.output(table))
        write_json(scratch.output(metrics), content)


def epochs(settings: Params) -> int:
    """As many as a fold of the last round has seen: with warm starts those of all rounds."""
    segmentation, rounds = settings.segmentation, settings.self_training.rounds
    if segmentation.start == "scratch":
        return segmentation.last_round_epochs
    return sum(segmentation.last_round_epochs if item.last else segmentation.epochs for item in rounds)


def _items(settings: Params, cases: list[Case], folder: Path) -> list[TrainingItem]:
    """The target's training images with their own labels on the standard grid."""
    if len(cases) < settings.segmentation.folds:
        raise UserError(
            f"evaluation.oracle: {len(cases)} target cases of split train have labels; allowed: at least as many as "
            f"segmentation.folds ({settings.segmentation.folds}), or evaluation.oracle: false"
        )
    items = []
    for case in cases:
        record = StandardCase.from_dict(read_json(layout.STANDARD / "records" / f"{case.case}.json"))
        label = volume.read(layout.SCORING / case.label)
        on_grid = standardise_label(label, record, keep=settings.dataset.structures.values())
        volume.write(renumbered(on_grid, settings), folder / f"{case.case}.nii.gz")
        image = layout.STANDARD / "images" / f"{case.case}.nii.gz"
        items.append(TrainingItem(case.case, case.patient, image, folder / f"{case.case}.nii.gz"))
    return items
