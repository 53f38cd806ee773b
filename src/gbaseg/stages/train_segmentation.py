"""train_segmentation: the folds of one round of nnU-Net (METHOD 6)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
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
from gbaseg.stages import layout
from gbaseg.stages.augment import read_choices, read_draws
from gbaseg.stages.context import read_json, recipe, stage, write_json
from gbaseg.stages.folds import fold_seed, patient_pools
from gbaseg.stages.pseudo_label import doubtful_cases, source_ranges_mm3
from gbaseg.stages.verdict import read_verdict

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
        layout.AUGMENTED,
        layout.pseudo_labelled(item.prev),
        layout.model_of(item.prev),
        layout.decision(item.prev),
    ]
    asked = {
        "seed": settings.seed,
        "last": last,
        "segmentation": settings.segmentation.model_dump(exclude={"prediction"}),
        "self_training": settings.self_training.model_dump(
            include={"target_share", "last_round_set", "last_round_fine_grid"}
        ),
        "doubtful": settings.self_training.confidence.action,
        "spacings": [settings.standardise.spacing_xyz_mm, settings.standardise.fine_spacing_xyz_mm],
        "structures": settings.labels,
    }
    with stage(f"train_segmentation/{round_id}", asked, inputs, [model, curves], resumable=True) as scratch:
        previous = layout.model_of(item.prev)
        if read_verdict(item.prev).ends(differs=last and settings.last_round_differs):
            log(f"{round_id}: self-training has stopped, the model of {item.prev} is passed on")
            scratch.found_done.append("passed on")
            shutil.copytree(previous, scratch.output(model))
            write_json(scratch.output(model) / layout.ROUND, {**read_json(previous / layout.ROUND), "passed_on": True})
            scratch.output(curves).mkdir()
            return
        fine = last and settings.self_training.last_round_fine_grid
        target_only = last and settings.self_training.last_round_set == "target_only"
        items = [] if target_only else source_items()
        if item.prev != layout.SURVEY:
            real = target_items(settings, item.prev, fine, scratch.work / "labels")
            weight = target_weight(items, len(real), settings.self_training.target_share)
            items += [replace(one, weight=weight) for one in real]
        train(
            settings,
            items,
            scratch.work,
            scratch.output(model),
            scratch.output(curves),
            folds=range(settings.segmentation.folds),
            epochs=settings.segmentation.last_round_epochs if last else settings.segmentation.epochs,
            name=round_id,
            fine=fine,
            previous=previous,
        )
        write_json(scratch.output(model) / layout.ROUND, about_model(settings, round_id, fine, scratch.work))


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
) -> None:
    """Prepare a training set and train folds on it.

    Args:
        work: nnU-Net's workspace goes here, and what is finished of model and curves, so that a rerun goes on from it.
        model, curves: folders that are written when all folds are done.
        fine: train at the finer grid of the last round.
        previous: model whose plans are kept, and whose weights a warm start takes; `None`: plan anew.
        pools: patients that are dealt to the folds; default: all that any round may train on.
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
    """The nearest that keeps nnU-Net's list of draws short: it is as long as the denominators' common multiple says."""
    return Fraction(ratio).limit_denominator(10)


def source_items() -> list[TrainingItem]:
    """Pseudo-target cases and their augmented copies (arm `online`: what may be done to them), with their labels."""
    choices, draws = read_choices(), read_draws()
    return [
        TrainingItem(
            case.case,
            case.patient,
            folder / case.image,
            folder / case.label,
            weight=draws.get(case.case, Fraction(1)),
            rescaled=choices.get(case.case, ()),
        )
        for folder in (layout.TRANSLATED, layout.AUGMENTED)
        for case in read_table(folder)
    ]


def target_items(settings: Params, previous: str, fine: bool, work: Path) -> list[TrainingItem]:
    """Real target training cases with the pseudo-labels of the round before; doubtful ones left out where asked."""
    labels = layout.pseudo_labelled(previous)
    doubtful = doubtful_cases(labels) if settings.self_training.confidence.action == "drop" else set()
    cases = select(read_table(layout.STANDARD), domain="target", splits=["train"])
    kept = [case for case in cases if case.case not in doubtful]
    log(f"{len(kept)} pseudo-labelled target cases, {len(doubtful)} left out as doubtful")
    return [_target_item(case, labels / "standard", fine, work) for case in kept]


def _target_item(case: Case, labels: Path, fine: bool, work: Path) -> TrainingItem:
    label = labels / f"{case.case}.nii.gz"
    if not fine:
        return TrainingItem(case.case, case.patient, layout.STANDARD / case.image, label)
    image = layout.STANDARD / "fine" / f"{case.case}.nii.gz"
    on_fine = volume.resample(volume.read(label, np.uint8), volume.read(image).grid, "label")
    volume.write(on_fine, work / label.name)
    return TrainingItem(case.case, case.patient, image, work / label.name)
