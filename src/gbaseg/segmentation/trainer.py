"""nnU-Net's trainer with our budget, quiet, resumable to the bit, and with its curves handed out."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from nnunetv2.training.dataloading import data_loader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.utilities.helpers import empty_cache
from threadpoolctl import ThreadpoolController

from gbaseg.runtime.checkpoint import load_checkpoint, save_checkpoint
from gbaseg.runtime.finite import broken_losses, diverged, not_finite
from gbaseg.runtime.precision import suit
from gbaseg.segmentation.decision import IGNORED
from gbaseg.segmentation.nnunet import nnUNetTrainer
from gbaseg.segmentation.partial import UNKNOWN, WITH_IGNORED, PartialLoss, ignoring
from gbaseg.segmentation.planning import mirrored_axes
from gbaseg.segmentation.preprocessed import CaseDataset
from gbaseg.segmentation.preprocessing import RESCALING
from gbaseg.segmentation.rescaling import RescalingDataset, read_rescaling
from gbaseg.segmentation.schedule import OneCycle
from gbaseg.segmentation.settings import SegmentationSettings

OnEpoch = Callable[[int, dict[str, float]], None]
# Epochs between checkpoints, the most that an interrupted fold loses. It changes no result.
CHECKPOINT_EVERY = 10
# Of random rotations, radians: nnU-Net's own of patches that are not flat.
_SLIGHT = (-math.pi / 6, math.pi / 6)
# Voxels to either side, of nnU-Net's random blur at its widest, a sigma of 1.
_BLUR_REACHES = 3


class Blur(GaussianBlurTransform):
    """nnU-Net's random blur, but for axes of so few voxels that it has nothing to reflect at their ends, and fails."""

    def _benchmark_wrapper(self, img: torch.Tensor, sigma: float, dim_to_blur: int) -> torch.Tensor:
        if img.shape[dim_to_blur + 1] <= _BLUR_REACHES:
            return img
        blurred: torch.Tensor = super()._benchmark_wrapper(img, sigma, dim_to_blur)
        return blurred


class Trainer(nnUNetTrainer):
    """nnU-Net's training loop, loss, augmentations and schedule; only its surroundings are ours.

    Its loss is another one where a label leaves a structure open, and only there (`partial`).
    """

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net reads this signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.device = device  # nnU-Net takes the first GPU whichever is named
        self._resume_random: dict | None = None
        self._on_epoch: OnEpoch | None = None
        self._name = ""
        self._steps_of_epoch = 0

    def configure(self, settings: SegmentationSettings, epochs: int, on_epoch: OnEpoch, name: str) -> None:
        """Set the budget, and what the training is called where it fails; call before `initialize`."""
        self.num_epochs = epochs
        self.num_iterations_per_epoch = settings.iterations_per_epoch
        self.num_val_iterations_per_epoch = settings.validation_iterations
        self.initial_lr = settings.learning_rate
        self._optimiser, self._schedule = settings.optimiser, settings.schedule
        self.oversample_foreground_percent = settings.oversample_foreground
        self.save_every = CHECKPOINT_EVERY
        self._on_epoch, self._name = on_epoch, name

    def work_in(self, name: str) -> None:
        """Put checkpoints and nnU-Net's log into a folder of this name, not the fold's, which its members share."""
        self.output_folder = str(Path(self.output_folder_base) / name)
        Path(self.output_folder).mkdir(parents=True, exist_ok=True)
        self.log_file: str = str(Path(self.output_folder) / "training_log.txt")

    def initialize(self) -> None:
        super().initialize()
        suit(self.plain_network, self.device)
        self.dataset_class = CaseDataset

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, Any]:
        if self._optimiser == "adamw":
            optimiser: torch.optim.Optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, fused=True)
        else:
            optimiser, _ = super().configure_optimizers()
        schedule = OneCycle if self._schedule == "one_cycle" else PolyLRScheduler
        return optimiser, schedule(optimiser, self.initial_lr, self.num_epochs)

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, bool, Any, tuple[int, ...]]:
        rotation, in_plane, size, _ = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        self.inference_allowed_mirroring_axes = mirrored_axes(self.plans_manager.plans)
        if in_plane and not {1, 2} <= set(self.inference_allowed_mirroring_axes):
            # nnU-Net turns flat patches all the way round: upside down, which is what is not to be shown.
            rotation = _SLIGHT
        return rotation, in_plane, size, self.inference_allowed_mirroring_axes

    def _build_loss(self) -> PartialLoss:
        folder = Path(self.preprocessed_dataset_folder_base)
        path = folder / UNKNOWN
        self._unknown: dict[str, list[int]] = json.loads(path.read_text()) if path.is_file() else {}
        self._ignores = (folder / WITH_IGNORED).is_file()
        loss = super()._build_loss()
        return PartialLoss(ignoring(loss) if self._ignores else loss)

    def validation_step(self, batch: dict) -> dict:
        self.loss.unknown = [self._unknown.get(name, ()) for name in batch["keys"]]
        # For this step alone nnU-Net has an ignore label, and leaves its voxels out of the Dice, too: in training it
        # would draw patches otherwise.
        self.label_manager._ignore_label = IGNORED if self._ignores else None
        try:
            return super().validation_step(batch)
        finally:
            self.label_manager._ignore_label = None

    @staticmethod
    def get_training_transforms(*args: Any, **kwargs: Any) -> Any:
        transforms = nnUNetTrainer.get_training_transforms(*args, **kwargs)
        for one in transforms.transforms:
            given = getattr(one, "transform", None)
            if isinstance(given, GaussianBlurTransform):
                one.transform = Blur(
                    given.blur_sigma, given.synchronize_channels, given.synchronize_axes, given.p_per_channel, True
                )
        return transforms

    def train_step(self, batch: dict) -> dict:
        self.loss.unknown = [self._unknown.get(name, ()) for name in batch["keys"]]
        if isinstance(self.lr_scheduler, OneCycle):
            self.lr_scheduler.step(self.current_epoch + self._steps_of_epoch / self.num_iterations_per_epoch)
        self._steps_of_epoch += 1
        return super().train_step(batch)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self._steps_of_epoch = 0

    def get_dataloaders(self) -> Any:
        # nnU-Net limits threads while it draws a batch, and looks through all of the process's libraries for it: a
        # tenth of a small network's iteration. They are all there by now.
        data_loader.threadpool_limits = ThreadpoolController().limit
        return super().get_dataloaders()

    def get_tr_and_val_datasets(self) -> tuple[nnUNetBaseDataset, nnUNetBaseDataset]:
        train, held_out = super().get_tr_and_val_datasets()
        rescaling = read_rescaling(Path(self.preprocessed_dataset_folder_base) / RESCALING)
        if rescaling:
            train = RescalingDataset(self.preprocessed_dataset_folder, train.identifiers, rescaling)
        return train, held_out

    @property
    def latest_checkpoint(self) -> Path:
        """What an interrupted run left behind."""
        return Path(self.output_folder) / "checkpoint_latest.pth"

    @property
    def plain_network(self) -> torch.nn.Module:
        """The network as it was before torch.compile."""
        network = getattr(self.network, "_orig_mod", self.network)
        assert isinstance(network, torch.nn.Module), "initialize first"
        return network

    def on_train_start(self) -> None:
        super().on_train_start()
        # The loaders have drawn their first batch by now: put the generators back to where the checkpoint left them.
        if self._resume_random is not None:
            _set_random_state(self._resume_random, self.device)

    def curves_at(self, epoch: int) -> dict[str, float]:
        """Losses, Dice on patches of the held-out fold, and learning rate of one epoch."""
        return {
            name: float(self.logger.get_value(key, step=epoch))
            for name, key in (
                ("train_loss", "train_losses"),
                ("validation_loss", "val_losses"),
                ("patch_dice", "mean_fg_dice"),
                ("learning_rate", "lrs"),
            )
        }

    def on_epoch_end(self) -> None:
        # Not nnU-Net's: it draws a 30 x 54 inch figure and saves a "best" checkpoint, which the paper does not use.
        self.logger.log("epoch_end_timestamps", 0.0, self.current_epoch)
        curves = self.curves_at(self.current_epoch)
        # Not of the Dice: where no patch shows a structure there is none. Losses are read back at every step anyway.
        self._stop_where(broken_losses({name: curves[name] for name in ("train_loss", "validation_loss")}))
        if (self.current_epoch + 1) % self.save_every == 0 and self.current_epoch != self.num_epochs - 1:
            self.save_checkpoint(str(self.latest_checkpoint))
        if self._on_epoch is not None:
            self._on_epoch(self.current_epoch, curves)
        self.current_epoch += 1

    def _stop_where(self, found: list[str]) -> None:
        """End a training that has diverged, with the last checkpoint as it is."""
        if found:
            kept = str(self.latest_checkpoint) if self.latest_checkpoint.is_file() else ""
            when = f"epoch {self.current_epoch + 1} of {self.num_epochs}"
            rate = float(self.logger.get_value("lrs", step=-1))
            raise diverged(self._name, found, when, rate, "segmentation.learning_rate", kept)

    def save_checkpoint(self, filename: str) -> None:
        """Write all that changes, the state of every random generator too; what was there before stays beside it.

        Not nnU-Net's file: what that holds can only be read by a reader that runs whatever is in it.
        """
        weights = self.plain_network.state_dict()
        # The parameters: of what nnU-Net's networks share, its state has every name.
        named = dict(self.plain_network.named_parameters())
        self._stop_where([f"weights {name} are not finite" for name in not_finite(named)])
        state = {
            "weights": weights,
            "optimiser": self.optimizer.state_dict(),
            "scaler": None if self.grad_scaler is None else self.grad_scaler.state_dict(),
            "curves": _plain(self.logger.get_checkpoint()),
            "epoch": self.current_epoch + 1,
            "random": _random_state(self.device),
        }
        save_checkpoint(state, Path(filename))

    def resume(self) -> bool:
        """Go on from the newest whole checkpoint of an interrupted run, where there is one; call after `initialize`."""
        saved = load_checkpoint(self.latest_checkpoint, else_said=f"{self._name} begins anew")
        if saved is None:
            return False
        self.plain_network.load_state_dict(saved["weights"])
        self.optimizer.load_state_dict(saved["optimiser"])
        if self.grad_scaler is not None and saved["scaler"] is not None:
            self.grad_scaler.load_state_dict(saved["scaler"])
        self.logger.load_checkpoint(saved["curves"])
        self.current_epoch = saved["epoch"]
        self._resume_random = saved["random"]
        return True

    def load_checkpoint(self, filename_or_checkpoint: dict | str) -> None:
        """Not nnU-Net's, which runs what is in the file: see `resume`."""
        raise RuntimeError("checkpoints are read by resume()")

    def on_train_end(self) -> None:
        # Not nnU-Net's: it deletes its latest checkpoint, which stays until the weights are written, for a rerun.
        self.current_epoch -= 1
        self.save_checkpoint(str(self.latest_checkpoint))
        self.current_epoch += 1
        for loader in (self.dataloader_train, self.dataloader_val):
            if isinstance(loader, NonDetMultiThreadedAugmenter):
                loader._finish()
        empty_cache(self.device)

    def print_to_log_file(self, *args: object, also_print_to_console: bool = True, add_timestamp: bool = True) -> None:
        super().print_to_log_file(*args, also_print_to_console=False, add_timestamp=add_timestamp)

    def plot_network_architecture(self) -> None:
        """nnU-Net's drawing needs a library that no longer works."""


def _plain(value: Any) -> Any:
    """Numbers of numpy, however nested, as Python's own."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _random_state(device: torch.device) -> dict:
    """Of every generator that a training draws from, in tensors and plain values."""
    drawn_from: Any = np.random.get_state()  # noqa: NPY002 - what nnU-Net's loaders draw from
    kind, keys, *rest = drawn_from
    return {
        "python": random.getstate(),
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
        # Of the device alone: a rerun may see fewer.
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _set_random_state(state: dict, device: torch.device) -> None:
    random.setstate(state["python"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
