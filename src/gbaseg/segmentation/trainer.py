"""nnU-Net's trainer with our budget, quiet, resumable to the bit, and with its curves handed out."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from gbaseg.runtime.precision import use_bfloat16
from gbaseg.segmentation.preprocessing import RESCALING
from gbaseg.segmentation.rescaling import RescalingDataset, read_rescaling
from gbaseg.segmentation.settings import SegmentationSettings

OnEpoch = Callable[[int, dict[str, float]], None]
# Epochs between checkpoints, the most that an interrupted fold loses. It changes no result.
CHECKPOINT_EVERY = 10


class Trainer(nnUNetTrainer):
    """nnU-Net's training loop, loss, augmentations and schedule, unchanged; only its surroundings are ours."""

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

    def configure(self, settings: SegmentationSettings, epochs: int, on_epoch: OnEpoch) -> None:
        """Set the budget; call before `initialize`."""
        self.num_epochs = epochs
        self.num_iterations_per_epoch = settings.iterations_per_epoch
        self.num_val_iterations_per_epoch = settings.validation_iterations
        self.initial_lr = settings.learning_rate
        self.oversample_foreground_percent = settings.oversample_foreground
        self.save_every = CHECKPOINT_EVERY
        self._on_epoch = on_epoch

    def initialize(self) -> None:
        super().initialize()
        use_bfloat16(self.plain_network, self.device)

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
        if (self.current_epoch + 1) % self.save_every == 0 and self.current_epoch != self.num_epochs - 1:
            self.save_checkpoint(str(self.latest_checkpoint))
        if self._on_epoch is not None:
            self._on_epoch(self.current_epoch, self.curves_at(self.current_epoch))
        self.current_epoch += 1

    def save_checkpoint(self, filename: str) -> None:
        """Write the checkpoint whole or not at all, with the state of every random generator beside it."""
        partial = Path(filename).with_suffix(".partial")
        super().save_checkpoint(str(partial))
        checkpoint = torch.load(partial, map_location="cpu", weights_only=False)
        checkpoint["random"] = _random_state(self.device)
        torch.save(checkpoint, partial)
        partial.replace(filename)

    def load_checkpoint(self, filename_or_checkpoint: dict | str) -> None:
        super().load_checkpoint(filename_or_checkpoint)
        if isinstance(filename_or_checkpoint, str):
            checkpoint = torch.load(filename_or_checkpoint, map_location="cpu", weights_only=False)
            self._resume_random = checkpoint["random"]

    def on_train_end(self) -> None:
        super().on_train_end()
        # nnU-Net deletes its latest checkpoint here. It stays until the weights are written, for a rerun to find.
        (Path(self.output_folder) / "checkpoint_final.pth").replace(self.latest_checkpoint)

    def print_to_log_file(self, *args: object, also_print_to_console: bool = True, add_timestamp: bool = True) -> None:
        super().print_to_log_file(*args, also_print_to_console=False, add_timestamp=add_timestamp)

    def plot_network_architecture(self) -> None:
        """nnU-Net's drawing needs a library that no longer works."""


def _random_state(device: torch.device) -> dict:
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - what nnU-Net's loaders draw from
        "torch": torch.get_rng_state(),
        # Of the device alone: a rerun may see fewer.
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _set_random_state(state: dict, device: torch.device) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
