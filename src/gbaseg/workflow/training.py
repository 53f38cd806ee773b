"""Training nnU-Net on a set of cases: what the survey, the rounds, the candidates of a choice and the oracle share."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from gbaseg.params import Params
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.scratch import ROOT
from gbaseg.runtime.seeds import derive
from gbaseg.runtime.store import Store
from gbaseg.runtime.threads import mixed_computing
from gbaseg.segmentation.dataset import TrainingItem, prepare
from gbaseg.segmentation.training import IMPORTED, Training, train_side_by_side
from gbaseg.segmentation.workspace import Workspace
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json, recipe
from gbaseg.workflow.folds import fold_seed, patient_pools
from gbaseg.workflow.pseudo_labels import source_ranges_mm3

# Beside the stages' scratch folders: rounds and experiments share most of their images.
PREPROCESSED = ROOT / "store" / "preprocessed"


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


def prepare_training(
    settings: Params,
    items: list[TrainingItem],
    work: Path,
    *,
    folds: range,
    epochs: int,
    name: str,
    fine: bool,
    previous: Path | None,
    pools: list[list[str]] | None = None,
    members: int = 1,
) -> Training:
    """Prepare a training set; what is returned is to be trained (`train`), and writes into `work`.

    Args:
        work: nnU-Net's workspace goes here, and what is finished of model and curves, so that a rerun goes on from it.
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
    return Training(
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


def train(training: Training, model: Path, curves: Path) -> None:
    """Train what `prepare_training` gave.

    Args:
        model, curves: folders that are written when all folds are done.
    """
    train_side_by_side([training])
    shutil.copytree(training.model, model)
    shutil.copytree(training.curves, curves)
