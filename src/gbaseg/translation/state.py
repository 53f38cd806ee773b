"""What changes while a CycleGAN is trained, and its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gbaseg.runtime.checkpoint import load_checkpoint, save_checkpoint
from gbaseg.runtime.seeds import derive, torch_generator
from gbaseg.runtime.training import adam, place, set_rate
from gbaseg.translation.image_pool import ImagePool
from gbaseg.translation.networks import Discriminator, Generator, initialise
from gbaseg.translation.settings import CycleGANSettings


class State:
    """All that changes while training, and its checkpoint."""

    def __init__(self, settings: CycleGANSettings, seed: int, device: torch.device) -> None:
        # Drawn on the CPU, so that every device starts from the same weights.
        draw = torch_generator(derive(seed, "weights"), torch.device("cpu"))
        size_g = (settings.generator_width, settings.residual_blocks, settings.generator_halvings)
        size_d = (settings.discriminator_width, settings.discriminator_layers)
        self.to_target, self.to_source = Generator(*size_g), Generator(*size_g)
        self.judge_target, self.judge_source = Discriminator(*size_d), Discriminator(*size_d)
        self.generators = nn.ModuleList([self.to_target, self.to_source])
        self.discriminators = nn.ModuleList([self.judge_target, self.judge_source])
        for networks in (self.generators, self.discriminators):
            initialise(networks, draw)
            # Tensor cores want it; a CPU would pay for it with a copy at every instance norm.
            place(networks, device, channels_last=device.type == "cuda")
        self.optimiser_g, self.optimiser_d = (
            adam(networks, settings.learning_rate, settings.betas)
            for networks in (self.generators, self.discriminators)
        )
        self.pool_target, self.pool_source = ImagePool(settings.pool_size), ImagePool(settings.pool_size)
        self.history: list[dict[str, float]] = []

    def set_learning_rate(self, rate: float) -> None:
        """Of both optimisers."""
        set_rate([self.optimiser_g, self.optimiser_d], rate)

    def _stateful(self) -> list[Any]:
        return [self.generators, self.discriminators, self.optimiser_g, self.optimiser_d]

    def weights(self) -> dict[str, torch.Tensor]:
        """Of all four networks, by name."""
        return {**self.generators.state_dict(prefix="generators."), **self.discriminators.state_dict(prefix="judges.")}

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all; the one before it stays beside it."""
        pools = (self.pool_target, self.pool_source)
        state = {
            "states": [module.state_dict() for module in self._stateful()],
            "pools": [pool.images for pool in pools],
            "history": self.history,
        }
        save_checkpoint(state, path)

    def restore(self, path: Path, device: torch.device) -> None:
        """Go on from the newest whole checkpoint where there is one."""
        saved = load_checkpoint(path, device)
        if saved is None:
            return
        for module, state in zip(self._stateful(), saved["states"], strict=True):
            if isinstance(module, torch.optim.Optimizer):
                _keep_options(module, state)
            module.load_state_dict(state)
        self.pool_target.images, self.pool_source.images = saved["pools"]
        self.history = saved["history"]


def _keep_options(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give a saved state the options of this optimiser: how it steps belongs to the device, not to the file."""
    for own, saved in zip(optimiser.param_groups, state["param_groups"], strict=True):
        saved.update({key: value for key, value in own.items() if key != "params"})
