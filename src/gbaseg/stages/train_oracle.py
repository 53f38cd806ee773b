"""train_oracle: the same network trained on the target's own labels: what an arm could reach. No arm reads it.

Only where `evaluation.oracle` asks for it, and the target's training cases have labels, as the phantom's have. Always
on the standard grid, also where the arms' last round is on the finer one.
"""

from __future__ import annotations

from pathlib import Path

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.runtime.threads import mixed_computing
from gbaseg.segmentation.dataset import TrainingItem
from gbaseg.stages.standardise import renumbered
from gbaseg.standardise.case import standardise_label
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_record, stage, write_json
from gbaseg.workflow.training import prepare_training, train


def run() -> None:
    """Run the stage.

    Raises:
        UserError: an oracle is asked for, and the target has too few labels to train it on, or none to score it with.
    """
    settings = params.load()
    asked = {
        "seed": settings.seed,
        "segmentation": settings.segmentation.model_dump(exclude={"prediction"}),
        "spacing": settings.standardise.spacing_xyz_mm,
        "structures": settings.labels,
        "epochs": epochs(settings),
        "oracle": settings.evaluation.oracle,
    }
    model, curves = layout.model_of(layout.ORACLE), layout.CURVES / layout.ORACLE
    inputs = [layout.STANDARD, layout.SCORING]
    with stage("train_oracle", asked, inputs, [model, curves], resumable=True) as scratch:
        if settings.evaluation.oracle:
            cases = _labelled(settings)
            training = prepare_training(
                settings,
                _items(settings, cases, scratch.work / "labels"),
                scratch.work,
                folds=range(settings.segmentation.folds),
                members=settings.segmentation.members,
                epochs=epochs(settings),
                name=layout.ORACLE,
                fine=False,
                previous=None,
                pools=[[case.patient for case in cases]],
            )
            train(training, scratch.output(model), scratch.output(curves))
        else:
            log("not asked for (evaluation.oracle)")
            scratch.output(model).mkdir()
            scratch.output(curves).mkdir()
        write_json(
            scratch.output(model) / layout.ROUND,
            {"trained": settings.evaluation.oracle, **mixed_computing(scratch.work)},
        )


def epochs(settings: Params) -> int:
    """As many as a fold of the last round has seen: with warm starts those of all rounds."""
    segmentation, rounds = settings.segmentation, settings.self_training.rounds
    if segmentation.start == "scratch":
        return segmentation.last_round_epochs
    return sum(segmentation.last_round_epochs if item.last else segmentation.epochs for item in rounds)


def _labelled(settings: Params) -> list[Case]:
    """The target's training cases that have labels."""
    known = select(read_table(layout.SCORING), domain="target")
    cases = [case for case in known if case.split == "train"]
    held_out = [case for case in known if case.split in settings.evaluation.splits]
    faults = []
    if len({case.patient for case in cases}) < settings.segmentation.folds:
        faults.append(
            f"{len(cases)} target cases of split train have labels; allowed: patients for "
            f"segmentation.folds ({settings.segmentation.folds}) folds"
        )
    if not held_out:
        splits = ", ".join(settings.evaluation.splits)
        faults.append(f"no target case of evaluation.splits ({splits}) has a label to score it with; allowed: some")
    if faults:
        raise UserError(
            "\n".join([*(f"evaluation.oracle: {fault}" for fault in faults), "or evaluation.oracle: false"])
        )
    return cases


def _items(settings: Params, cases: list[Case], folder: Path) -> list[TrainingItem]:
    """The target's training images with their own labels on the standard grid."""
    items = []
    for case in cases:
        record = read_record(layout.STANDARD / "records" / f"{case.case}.json")
        label = volume.read(layout.SCORING / case.label)
        on_grid = standardise_label(label, record, keep=settings.dataset.label_values.values())
        volume.write(renumbered(on_grid, settings), folder / f"{case.case}.nii.gz")
        image = layout.STANDARD / "images" / f"{case.case}.nii.gz"
        items.append(TrainingItem(case.case, case.patient, image, folder / f"{case.case}.nii.gz"))
    return items
