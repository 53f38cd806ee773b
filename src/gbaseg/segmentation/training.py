"""Train the folds of one round."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from gbaseg.runtime.device import choose_device
from gbaseg.runtime.engine import Task, run, workers_for
from gbaseg.runtime.seeds import derive
from gbaseg.segmentation.planning import CONFIGURATION, PLANS_NAME
from gbaseg.segmentation.prediction import fold_file
from gbaseg.segmentation.settings import SegmentationSettings
from gbaseg.segmentation.workspace import Workspace

if TYPE_CHECKING:
    import torch

_MOST_AUGMENTERS = 12  # nnU-Net's own bound


def train_folds(
    workspace: Workspace,
    model: Path,
    curves: Path,
    settings: SegmentationSettings,
    folds: Sequence[int],
    epochs: int,
    seed: int,
    name: str,
    warm_start: Path | None = None,
) -> None:
    """Train folds side by side; write a model folder: weights of each fold, plans and dataset description.

    Args:
        workspace: prepared training set.
        model: folder to write: `fold_K.safetensors`, `plans.json`, `dataset.json`.
        curves: folder to write: one folder of training curves a fold.
        folds: which folds of the split to train (the survey trains one).
        epochs: epochs of each fold.
        warm_start: model folder to start the weights from; `None`: nnU-Net's initialisation.
    """
    exclusive = choose_device().type == "cuda"
    at_once = workers_for(len(folds), exclusive)
    model.mkdir(parents=True, exist_ok=True)
    run(
        [
            Task(
                f"{name} fold {fold}",
                train_fold,
                {
                    "workspace": workspace,
                    "weights_path": model / fold_file(fold),
                    "curves": curves / f"fold_{fold}",
                    "settings": settings,
                    "fold": fold,
                    "epochs": epochs,
                    "seed": derive(seed, "fold", fold),
                    "name": f"{name} fold {fold}",
                    "warm_start": warm_start / fold_file(fold) if warm_start is not None else None,
                    "augmenters": max(1, len(os.sched_getaffinity(0)) // at_once),
                },
            )
            for fold in folds
        ],
        exclusive=exclusive,
        deal_cores=True,
    )
    shutil.copyfile(workspace.preprocessed / f"{PLANS_NAME}.json", model / "plans.json")
    description = json.loads((workspace.preprocessed / "dataset.json").read_text())
    del description["dataset"]  # paths of the training images: no part of the model
    (model / "dataset.json").write_text(json.dumps(description, indent=1))


def train_fold(
    workspace: Workspace,
    weights_path: Path,
    curves: Path,
    settings: SegmentationSettings,
    fold: int,
    epochs: int,
    seed: int,
    name: str,
    warm_start: Path | None = None,
    augmenters: int = 1,
) -> None:
    """Train one fold, resuming where an earlier run of the same workspace stopped. Runs in a worker.

    Args:
        augmenters: nnU-Net's processes for patches, on a GPU and where nnUNet_n_proc_DA does not say otherwise.
    """
    workspace.enter()
    device = choose_device()
    if device.index is not None:
        _make_current(device)
    if device.type == "cpu":
        os.environ["nnUNet_n_proc_DA"] = "0"  # augment in this process: reproducible, and no core is left anyway
    else:
        # nnU-Net counts the machine's cores, of which a job may have been given a few.
        os.environ.setdefault("nnUNet_n_proc_DA", str(min(augmenters, _MOST_AUGMENTERS)))
    # Compiling costs minutes a fold and changes the last bits; results before speed.
    os.environ.setdefault("nnUNet_compile", "false")
    from safetensors.torch import load_model, save_file

    from gbaseg.runtime.curves import curves as log_curves
    from gbaseg.runtime.progress import meter
    from gbaseg.runtime.seeds import seed_everything
    from gbaseg.runtime.threads import note_computing
    from gbaseg.segmentation.trainer import Trainer

    if weights_path.is_file():
        return
    seed_everything(seed)
    plans = json.loads((workspace.preprocessed / f"{PLANS_NAME}.json").read_text())
    plans["continue_training"] = False
    dataset = json.loads((workspace.preprocessed / "dataset.json").read_text())
    with redirect_stdout(StringIO()):
        trainer = Trainer(plans, CONFIGURATION, fold, dataset, device)
    resumes = trainer.latest_checkpoint.is_file()
    with log_curves(workspace.root / "live" / f"fold_{fold}", curves) as live:

        def on_epoch(epoch: int, values: dict[str, float]) -> None:
            live.log(epoch, values)
            bar.advance(1, note=f"loss {values['train_loss']:.3f} patch Dice {values['patch_dice']:.2f}")

        trainer.configure(settings, epochs, on_epoch)
        trainer.initialize()
        if resumes:
            trainer.load_checkpoint(str(trainer.latest_checkpoint))
            for epoch in range(trainer.current_epoch):
                live.log(epoch, trainer.curves_at(epoch))
        elif warm_start is not None:
            load_model(trainer.plain_network, warm_start)
        note_computing(workspace.root, name, trainer.current_epoch, epochs, device)
        with meter(name, epochs, done=trainer.current_epoch) as bar, redirect_stdout(StringIO()):
            trainer.run_training()
    partial = weights_path.with_suffix(".partial")
    save_file(_without_aliases(trainer.plain_network.state_dict()), partial)
    partial.replace(weights_path)
    trainer.latest_checkpoint.unlink()


def _make_current(device: torch.device) -> None:
    """nnU-Net's loaders pin memory on the current GPU, whichever one it trains on."""
    import torch

    torch.cuda.set_device(device)


def _without_aliases(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each tensor once: nnU-Net's encoder is a part of its decoder too, under a second name.

    Not safetensors' save_model: that notes the second names in the file's header, in no fixed order, and equal
    weights would not be equal files.
    """
    kept: dict[int, tuple[str, torch.Tensor]] = {}
    for name, tensor in sorted(state.items()):
        kept.setdefault(tensor.data_ptr(), (name, tensor))
    return {name: tensor.detach().cpu().contiguous() for name, tensor in kept.values()}
