"""train_segmentation: the folds of one round of nnU-Net (METHOD 6)."""

from __future__ import annotations

import shutil
from dataclasses import replace

from gbaseg import params
from gbaseg.errors import UserError
from gbaseg.runtime.progress import log
from gbaseg.workflow import layout
from gbaseg.workflow.context import need, read_json, stage, write_json
from gbaseg.workflow.pseudo_labels import training_cases
from gbaseg.workflow.reviewed import read_review
from gbaseg.workflow.training import about_model, prepare_training, train
from gbaseg.workflow.training_sets import randomised_in, source_items, target_items, target_weight
from gbaseg.workflow.verdict import read_verdict


def run(round_id: str, last: bool | None = None) -> None:
    """Run the stage for one round of `self_training.rounds`; `last` as it is there unless said otherwise."""
    settings = params.load()
    item = settings.self_training.round(round_id)
    last = item.last if last is None else last
    model, curves = layout.model_of(round_id), layout.CURVES / round_id
    inputs = [
        layout.STANDARD,
        layout.TRANSLATED,
        *layout.copies_of(round_id),
        layout.pseudo_labelled(item.prev),
        layout.model_of(item.prev),
        layout.decision(item.prev),
    ]
    need(inputs)
    review = read_review(item.prev)
    asked = {
        "seed": settings.seed,
        "last": last,
        "randomised": randomised_in(settings),
        "segmentation": settings.segmentation.model_dump(exclude={"prediction"}),
        "self_training": settings.self_training.model_dump(
            include={"target_share", "last_round_set", "last_round_fine_grid"}
        ),
        "confidence": settings.self_training.confidence.model_dump(include={"action", "weigh", "disputed"}),
        "spacings": [settings.standardise.spacing_xyz_mm, settings.standardise.fine_spacing_xyz_mm],
        "structures": settings.labels,
        **({"review": review.matters} if review.matters else {}),
    }
    with stage(f"train_segmentation/{round_id}", asked, inputs, [model, curves], resumable=True) as scratch:
        previous = layout.model_of(item.prev)
        # Who has corrected masks of a round wants another one to learn from them.
        if read_verdict(item.prev).ends(differs=(last and settings.last_round_differs) or bool(review.matters)):
            log(f"{round_id}: self-training has stopped, the model of {item.prev} is passed on")
            scratch.found_done.append("passed on")
            shutil.copytree(previous, scratch.output(model))
            write_json(scratch.output(model) / layout.ROUND, {**read_json(previous / layout.ROUND), "passed_on": True})
            scratch.output(curves).mkdir()
            return
        fine = last and settings.self_training.last_round_fine_grid
        target_only = last and settings.self_training.last_round_set == "target_only"
        items = [] if target_only else source_items(settings, layout.copies_of(round_id))
        if item.prev != layout.SURVEY:
            real = target_items(settings, review, fine, scratch.work)
            # Of all of them: where most are doubtful, those that are left do not stand in for them.
            count = len(training_cases())
            weight = target_weight(items, count, settings.self_training.target_share)
            items += [replace(one, weight=weight * one.weight) for one in real]
            if not items:
                raise UserError(
                    f"{round_id}: nothing to train on: no pseudo-label of {item.prev} is left ({layout.REVIEW})"
                )
        training = prepare_training(
            settings,
            items,
            scratch.work,
            folds=range(settings.segmentation.folds),
            members=settings.segmentation.members,
            epochs=settings.segmentation.last_round_epochs if last else settings.segmentation.epochs,
            name=round_id,
            fine=fine,
            previous=previous,
        )
        train(training, scratch.output(model), scratch.output(curves))
        about = about_model(settings, round_id, fine, scratch.work)
        # Only where something was decided: a key that is always there would make every model new.
        write_json(
            scratch.output(model) / layout.ROUND, {**about, **({"review": review.counts} if review.counts else {})}
        )
