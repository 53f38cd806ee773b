"""train_segmentation: the folds of one round of nnU-Net (METHOD 6)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from gbaseg import params
from gbaseg.cases import read_table
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import ROOT
from gbaseg.runtime.seeds import derive
from gbaseg.runtime.store import Store
from gbaseg.runtime.threads import mixed_computing
from gbaseg.segmentation.dataset import TrainingItem, prepare
from gbaseg.segmentation.training import IMPORTED, train_folds
from gbaseg.segmentation.workspace import Workspace
from gbaseg.standardise.settings import ForegroundKind
from gbaseg.workflow import layout
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.context import need, read_json, recipe, stage, write_json
from gbaseg.workflow.copies import read_choices, read_draws
from gbaseg.workflow.folds import fold_seed, patient_pools
from gbaseg.workflow.pseudo_labels import source_ranges_mm3, training_cases, undisputed_of, weights_by_agreement
from gbaseg.workflow.reviewed import Review, labelled_targets, on_finer_grid, read_review, say
from gbaseg.workflow.verdict import read_verdict

# Beside the stages' scratch folders: rounds and experiments share most of their images.
PREPROCESSED = ROOT / "store" / "preprocessed"


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
        train(
            settings,
            items,
            scratch.work,
            scratch.output(model),
            scratch.output(curves),
            folds=range(settings.segmentation.folds),
            members=settings.segmentation.members,
            epochs=settings.segmentation.last_round_epochs if last else settings.segmentation.epochs,
            name=round_id,
            fine=fine,
            previous=previous,
        )
        about = about_model(settings, round_id, fine, scratch.work)
        # Only where something was decided: a key that is always there would make every model new.
        write_json(
            scratch.output(model) / layout.ROUND, {**about, **({"review": review.counts} if review.counts else {})}
        )


def about_model(settings: Params, name: str, fine: bool, work: Path) -> dict[str, Any]:
    """What a model's folder says of it, for whoever uses it: `predict` brings scans to this grid, and judges masks.

    Args:
        name: the round that it was trained in.
        fine: on the finer grid.
        work: where it was trained.
    """
    return {
        "trained_in": name,
        "fine_grid": fine,
        "passed_on": False,
        "volumes_mm3": source_ranges_mm3(settings),
        "standardise": settings.standardise.model_dump(mode="json"),
        **mixed_computing(work),
    }


def train(
    settings: Params,
    items: list[TrainingItem],
    work: Path,
    model: Path,
    curves: Path,
    *,
    folds: range,
    epochs: int,
    name: str,
    fine: bool,
    previous: Path | None,
    pools: list[list[str]] | None = None,
    members: int = 1,
) -> None:
    """Prepare a training set and train folds on it.

    Args:
        work: nnU-Net's workspace goes here, and what is finished of model and curves, so that a rerun goes on from it.
        model, curves: folders that are written when all folds are done.
        fine: train at the finer grid of the last round.
        previous: model whose plans are kept, and whose weights a warm start takes; `None`: plan anew.
        pools: patients that are dealt to the folds; default: all that any round may train on.
        members: networks of each fold.
    """
    spacing_xyz = settings.standardise.fine_spacing_xyz_mm if fine else settings.standardise.spacing_xyz_mm
    assert spacing_xyz is not None  # checked with params.yaml
    workspace = Workspace(work / "nnunet")
    import_for_workers(*IMPORTED)
    prepare(
        items,
        settings.labels,
        settings.segmentation,
        # One split for all rounds: a warm-started fold is never validated on patients that it was trained on.
        seed=fold_seed(settings),
        pools=patient_pools() if pools is None else pools,
        workspace=workspace,
        store=Store(PREPROCESSED, recipe("preprocessing")),
        spacing_zyx_mm=(spacing_xyz[2], spacing_xyz[1], spacing_xyz[0]),
        frozen_plans=read_json(previous / "plans.json") if previous is not None else None,
    )
    # Not from the survey: it has one fold only.
    warm = settings.segmentation.start == "warm" and previous not in (None, layout.model_of(layout.SURVEY))
    finished = work / "finished"
    train_folds(
        workspace,
        finished / "model",
        finished / "curves",
        settings.segmentation,
        folds=folds,
        members=members,
        epochs=epochs,
        seed=derive(settings.seed, "segmentation", name),
        name=name,
        warm_start=previous if warm else None,
    )
    shutil.copytree(finished / "model", model)
    shutil.copytree(finished / "curves", curves)


def target_weight(source: Sequence[TrainingItem], target: int, share: float | None) -> Fraction:
    """How many times as often a real target image is drawn as an unaltered one of the source, so that it has a share.

    Args:
        source: what is trained on besides.
        target: number of real target images.
        share: wanted; `None`: as often.
    """
    if share is None or not source or not target:
        return Fraction(1)
    wanted = share / (1.0 - share) * float(sum(item.weight for item in source)) / target
    return _simple(wanted) if wanted >= 1 else 1 / _simple(1 / wanted)


def _simple(ratio: float) -> Fraction:
    """To some hundredths of a ratio of 1 or more, so that nnU-Net's list of draws, in whole numbers, stays short."""
    return Fraction(ratio).limit_denominator(max(1, round(10 / ratio)))


def randomised_in(settings: Params) -> ForegroundKind | None:
    """`TrainingItem.randomised` of the source's images."""
    return settings.standardise.foreground if chosen(settings.translation).mode == "randomise" else None


def source_items(settings: Params, copies: Sequence[Path]) -> list[TrainingItem]:
    """Pseudo-target cases and their copies in some folders (arm `online`: what may be done to them), with labels.

    Where contrasts are randomised, those of copies that were made to look like the target stay.
    """
    choices, draws, randomised = read_choices(copies), read_draws(copies), randomised_in(settings)
    return [
        TrainingItem(
            case.case,
            case.patient,
            folder / case.image,
            folder / case.label,
            weight=draws.get(case.case, Fraction(1)),
            rescaled=choices.get(case.case, ()),
            randomised=None if folder.parent == layout.ADAPTED else randomised,
        )
        for folder in (layout.TRANSLATED, *copies)
        for case in read_table(folder)
    ]


def target_items(settings: Params, review: Review, fine: bool, work: Path) -> list[TrainingItem]:
    """Real target training cases with the pseudo-labels of the round before, as a person has left them; doubtful ones
    left out where asked.

    What is left out as doubtful is a structure of a case: the others are trained on, and what is not one of them may be
    background or the structure. A case of which all are doubtful is left out. Their weights are 1 on average.

    Args:
        review: what was decided about the round before's.
        fine: of the finer grid.
        work: masks that a person drew are brought to the finer grid here.
    """
    labels, labelled = layout.pseudo_labelled(review.round_id), labelled_targets(review)
    confidence = settings.self_training.confidence
    trained_on: dict[str, set[str]] = {}
    items, left_out = [], dict.fromkeys(settings.labels, 0)
    for one in labelled:
        doubtful = one.doubtful if confidence.action == "drop" else frozenset()
        for name in doubtful:
            left_out[name] += 1
        if len(doubtful) == len(settings.labels):
            continue
        name = one.case.case
        unknown = tuple(value for structure, value in settings.labels.items() if structure in doubtful)
        image, mask = layout.STANDARD / one.case.image, one.mask
        if fine:
            image, mask = layout.STANDARD / f"fine/{name}.nii.gz", labels / "fine" / f"{name}.nii.gz"
            if one.corrected:
                mask = on_finer_grid(one, settings, work / "reviewed" / f"{name}.nii.gz")
        # What a person drew the folds have no say in.
        ignoring = confidence.disputed == "ignore" and not one.corrected
        if ignoring:
            mask = undisputed_of(name, labels, fine)
        trained_on[name] = set() if one.corrected else settings.labels.keys() - doubtful
        items.append(TrainingItem(name, one.case.patient, image, mask, unknown=unknown, with_ignored=ignoring))
    if confidence.weigh:
        weights = weights_by_agreement(labels, trained_on)
        items = [replace(item, weight=weights[item.name]) for item in items]
    of_each = ", ".join(f"{name} of {count}" for name, count in left_out.items())
    log(f"{len(items)} of {len(training_cases())} pseudo-labelled target cases; left out as doubtful: {of_each}")
    say(review)
    return items
