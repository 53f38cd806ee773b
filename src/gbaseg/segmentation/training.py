"""Train nnU-Net: the folds of a round, or of several training sets side by side."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbaseg.runtime.device import choose_device, is_gpu
from gbaseg.runtime.engine import Task, cores_for, run
from gbaseg.runtime.markers import read_marker, write_marker
from gbaseg.runtime.seeds import derive
from gbaseg.segmentation.ensemble import fold_file
from gbaseg.segmentation.planning import CONFIGURATION, PLANS_NAME, read_plans
from gbaseg.segmentation.settings import SegmentationSettings
from gbaseg.segmentation.workspace import AUGMENTERS, MOST_AUGMENTERS, Workspace

if TYPE_CHECKING:
    import torch

# What a worker that prepares data or trains imports: seconds. Optimisers import torch's compiler at their first step.
IMPORTED = ("gbaseg.segmentation.trainer", "torch._dynamo")


@dataclass(frozen=True)
class Training:
    """Networks that learn from one prepared training set.

    Args:
        workspace: prepared training set.
        model: folder to write: `fold_K.safetensors` (`fold_file`), `plans.json`, `dataset.json`.
        curves: folder to write: one folder of training curves a network.
        folds: which folds of the split to train (the survey trains one).
        epochs: epochs of each network.
        warm_start: model folder to start the weights from; `None`: nnU-Net's initialisation.
        members: networks of each fold, which differ by their seeds alone.
    """

    workspace: Workspace
    model: Path
    curves: Path
    settings: SegmentationSettings
    folds: Sequence[int]
    epochs: int
    seed: int
    name: str
    warm_start: Path | None = None
    members: int = 1

    @property
    def networks(self) -> list[tuple[int, int]]:
        """Fold and member of each."""
        return [(fold, member) for member in range(self.members) for fold in self.folds]

    def tasks(self, augmenters: int) -> list[Task]:
        """A call of `train_fold` for each network."""
        return [
            Task(
                called(self.name, fold, member),
                train_fold,
                {
                    "workspace": self.workspace,
                    "weights_path": self.model / fold_file(fold, member),
                    "curves": self.curves / Path(fold_file(fold, member)).stem,
                    "settings": self.settings,
                    "fold": fold,
                    "epochs": self.epochs,
                    # The first member's does not name it: it is what a fold of one network is.
                    "seed": derive(self.seed, "fold", fold, *(("member", member) if member else ())),
                    "name": called(self.name, fold, member),
                    "warm_start": None if self.warm_start is None else self.warm_start / fold_file(fold, member),
                    "augmenters": augmenters,
                },
            )
            for fold, member in self.networks
        ]

    def describe(self) -> None:
        """Write into the model's folder what its weights do not say."""
        shutil.copyfile(self.workspace.preprocessed / f"{PLANS_NAME}.json", self.model / "plans.json")
        description = json.loads((self.workspace.preprocessed / "dataset.json").read_text())
        del description["dataset"]  # paths of the training images: no part of the model
        (self.model / "dataset.json").write_text(json.dumps(description, indent=1))


def train_side_by_side(trainings: Sequence[Training]) -> None:
    """Train the networks of several training sets as one list of tasks, and write their models' folders."""
    exclusive = is_gpu()
    augmenters = cores_for(sum(len(one.networks) for one in trainings), exclusive)
    for one in trainings:
        one.model.mkdir(parents=True, exist_ok=True)
    run(
        [task for one in trainings for task in one.tasks(augmenters)],
        exclusive=exclusive,
        deal_cores=True,
        lasting=True,
    )
    for one in trainings:
        one.describe()


def train_folds(
    workspace: Workspace, model: Path, curves: Path, settings: SegmentationSettings, folds: Sequence[int], **given: Any
) -> None:
    """`train_side_by_side` of one training set; the arguments are those of `Training`."""
    train_side_by_side([Training(workspace, model, curves, settings, folds, **given)])


def called(name: str, fold: int, member: int) -> str:
    """What is said of a network while it is trained."""
    return f"{name} fold {fold}" + (f" member {member}" if member else "")


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
    """Train one network of a fold, resuming where an earlier run of the same workspace stopped. Runs in a worker.

    Args:
        augmenters: nnU-Net's processes for patches, on a GPU and where nnUNet_n_proc_DA does not say otherwise.

    Raises:
        UserError: the training diverges: a loss or a weight is not finite. Its last good checkpoint stays.
    """
    workspace.enter()
    device = choose_device()
    if device.index is not None:
        _make_current(device)
    if device.type == "cpu":
        os.environ[AUGMENTERS] = "0"  # augment in this process: reproducible, and no core is left anyway
    else:
        # nnU-Net counts the machine's cores, of which a job may have been given a few.
        os.environ.setdefault(AUGMENTERS, str(min(augmenters, MOST_AUGMENTERS)))
    # Compiling costs minutes a fold and changes the last bits; results before speed.
    os.environ.setdefault("nnUNet_compile", "false")
    from gbaseg.runtime.checkpoint import forget
    from gbaseg.runtime.curves import curves as log_curves
    from gbaseg.runtime.ending import end, put_off
    from gbaseg.runtime.progress import log, meter
    from gbaseg.runtime.seeds import seed_everything
    from gbaseg.runtime.threads import note_computing
    from gbaseg.segmentation.trainer import Trainer
    from gbaseg.segmentation.weights import load_network, save_network

    # Outside of the model's folder, which is copied as it is.
    marker = workspace.root / f"finished_{weights_path.stem}.json"
    if read_marker(marker) is not None:
        return
    seed_everything(seed)
    plans = read_plans(workspace.preprocessed / f"{PLANS_NAME}.json")
    plans["continue_training"] = False
    dataset = json.loads((workspace.preprocessed / "dataset.json").read_text())
    with redirect_stdout(StringIO()):
        trainer = Trainer(plans, CONFIGURATION, fold, dataset, device)
    trainer.work_in(weights_path.stem)
    with log_curves(workspace.root / "live" / weights_path.stem, curves) as live:

        def on_epoch(epoch: int, values: dict[str, float]) -> None:
            live.log(epoch, values)
            bar.advance(1, note=f"loss {values['train_loss']:.3f} patch Dice {values['patch_dice']:.2f}")
            if asked_to_end():
                trainer.save_checkpoint(str(trainer.latest_checkpoint))
                log(f"{name}: checkpoint after epoch {epoch + 1} of {epochs}")
                end()

        trainer.configure(settings, epochs, on_epoch, name)
        trainer.initialize()
        if trainer.resume():
            for epoch in range(trainer.current_epoch):
                live.log(epoch, trainer.curves_at(epoch))
        elif warm_start is not None:
            load_network(trainer.plain_network, warm_start)
        note_computing(workspace.root, name, trainer.current_epoch, epochs, device)
        with (
            meter(name, epochs, done=trainer.current_epoch) as bar,
            redirect_stdout(StringIO()),
            put_off() as asked_to_end,
        ):
            trainer.run_training()
    save_network(trainer.plain_network, weights_path)
    write_marker(marker, [weights_path, curves])
    forget(trainer.latest_checkpoint)


def _make_current(device: torch.device) -> None:
    """nnU-Net's loaders pin memory on the current GPU, whichever one it trains on."""
    import torch

    torch.cuda.set_device(device)
