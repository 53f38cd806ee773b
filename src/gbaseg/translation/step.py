"""One training step of the CycleGAN: its generators', then its discriminators' (METHOD 3, Eq. 1 to 3)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gbaseg.runtime.graphs import Replayed
from gbaseg.runtime.precision import in_bfloat16, in_float32
from gbaseg.translation import losses
from gbaseg.translation.networks import to_network
from gbaseg.translation.settings import CycleGANSettings
from gbaseg.translation.state import State

LOSSES = (
    "generator_target",
    "generator_source",
    "cycle_source",
    "cycle_target",
    "identity",
    "discriminator_target",
    "discriminator_source",
)


class Step:
    """Takes steps on batches that are copied into tensors that stay where they are, so that a GPU can repeat it.

    Only the pools, which choose at random, come between the two halves.
    """

    def __init__(
        self, state: State, settings: CycleGANSettings, size_yx: tuple[int, int], device: torch.device
    ) -> None:
        """
        Args:
            state: networks, optimisers and pools; changed in place.
            settings: numbers.
            size_yx: of the slices.
            device: where to compute.
        """
        self._state, self._settings, self._device = state, settings, device
        self._fast = settings.mode == "fast"
        shape = (settings.batch_size, 1, *size_yx)
        self._real_source, self._real_target, self._shown_source, self._shown_target = (
            torch.empty(shape, device=device) for _ in range(4)
        )
        self._fake_source, self._fake_target = self._shown_source, self._shown_target  # until the first step
        self._sums = torch.zeros(len(LOSSES), device=device)
        self._generators, self._discriminators = (Replayed(device, record=self._fast) for _ in range(2))

    def run(self, real_source: Tensor, real_target: Tensor, rng: np.random.Generator) -> None:
        """One step.

        Args:
            real_source, real_target: (B, 1, H, W) in [0, 1], on any device.
            rng: for the pools.
        """
        state = self._state
        self._real_source.copy_(to_network(real_source), non_blocking=True)
        self._real_target.copy_(to_network(real_target), non_blocking=True)
        with nullcontext() if self._fast else in_float32(self._device):
            self._generators(self._train_generators)
            self._shown_target.copy_(state.pool_target.exchange(self._fake_target, rng))
            self._shown_source.copy_(state.pool_source.exchange(self._fake_source, rng))
            self._discriminators(self._train_discriminators)

    def take_sums(self) -> dict[str, float]:
        """Losses by name, summed over the steps since the last call."""
        # Read only here: a GPU is not kept waiting at every step.
        sums = dict(zip(LOSSES, self._sums.tolist(), strict=True))
        self._sums.zero_()
        return sums

    def _precision(self) -> AbstractContextManager[Any]:
        return in_bfloat16(self._device) if self._fast else nullcontext()

    def _train_generators(self) -> None:
        state, settings = self._state, self._settings
        real_source, real_target = self._real_source, self._real_target
        kind, weight, batch = settings.adversarial, settings.mu_cyc, settings.batch_size
        state.discriminators.requires_grad_(False)
        with self._precision():
            if settings.identity_weight > 0:
                # Translation and identity in one call: instance norm keeps the images of a batch apart.
                both = torch.cat([real_source, real_target])
                fake_target, same_target = state.to_target(both).float().split(batch)
                same_source, fake_source = state.to_source(both).float().split(batch)
                identity = losses.identity(real_target, same_target) + losses.identity(real_source, same_source)
            else:
                fake_target, fake_source = state.to_target(real_source).float(), state.to_source(real_target).float()
                identity = real_source.new_zeros(())
            generator_target = losses.generator_adversarial(state.judge_target(fake_target).float(), kind)
            generator_source = losses.generator_adversarial(state.judge_source(fake_source).float(), kind)
            cycle_source = losses.cycle(real_source, state.to_source(fake_target).float())
            cycle_target = losses.cycle(real_target, state.to_target(fake_source).float())
        total = generator_target + generator_source + weight * (cycle_source + cycle_target)
        total = total + weight * settings.identity_weight * identity
        state.optimiser_g.zero_grad()
        total.backward()
        state.optimiser_g.step()
        self._fake_source, self._fake_target = fake_source.detach(), fake_target.detach()
        self._sums[:5] += torch.stack(
            [generator_target, generator_source, cycle_source, cycle_target, identity]
        ).detach()

    def _train_discriminators(self) -> None:
        state, kind, batch = self._state, self._settings.adversarial, self._settings.batch_size
        state.discriminators.requires_grad_(True)
        with self._precision():
            real, fake = state.judge_target(torch.cat([self._real_target, self._shown_target])).float().split(batch)
            of_target = losses.discriminator_adversarial(real, fake, kind)
            real, fake = state.judge_source(torch.cat([self._real_source, self._shown_source])).float().split(batch)
            of_source = losses.discriminator_adversarial(real, fake, kind)
        state.optimiser_d.zero_grad()
        (of_target + of_source).backward()
        state.optimiser_d.step()
        self._sums[5:] += torch.stack([of_target, of_source]).detach()
