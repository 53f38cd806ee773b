"""One training step of the CycleGAN: its generators', then its discriminators' (METHOD 3, Eq. 1 to 3)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gbaseg.runtime.graphs import Replayed
from gbaseg.runtime.precision import in_bfloat16, in_float32
from gbaseg.runtime.threads import TwoCalls
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
        self, state: State, settings: CycleGANSettings, size_yx: tuple[int, int], device: torch.device, both: TwoCalls
    ) -> None:
        """
        Args:
            state: networks, optimisers and pools; changed in place.
            settings: numbers.
            size_yx: of the slices.
            device: where to compute.
            both: makes two calls, which need nothing of each other, and add to gradients of the same networks: two
                numbers in either order have one sum.
        """
        self._state, self._settings, self._device = state, settings, device
        self._fast = settings.mode == "fast"
        shape = (settings.batch_size, 1, *size_yx)
        self._real_source, self._real_target, self._shown_source, self._shown_target = (
            torch.empty(shape, device=device) for _ in range(4)
        )
        self._fake_source, self._fake_target = self._shown_source, self._shown_target  # until the first step
        # Of either direction apart, as the calls side by side are: adversarial, cycle, identity; and of its judge.
        self._sums, self._judged = torch.zeros(2, 3, device=device), torch.zeros(2, device=device)
        self._both = both
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
        adversarial, cycle, identity = self._sums.T
        sums = torch.cat([adversarial, cycle, identity.sum()[None], self._judged]).tolist()
        self._sums.zero_()
        self._judged.zero_()
        return dict(zip(LOSSES, sums, strict=True))

    def _precision(self) -> AbstractContextManager[Any]:
        return in_bfloat16(self._device) if self._fast else nullcontext()

    def _train_generators(self) -> None:
        state = self._state
        state.discriminators.requires_grad_(False)
        state.optimiser_g.zero_grad()
        self._both(self._from_source, self._from_target)
        state.optimiser_g.step()

    def _from_source(self) -> None:
        """Gradients of what begins with source images: each generator's from its one call here."""
        state, real, other = self._state, self._real_source, self._real_target
        networks = state.to_target, state.to_source, state.judge_target
        self._fake_target = self._there_and_back(*networks, real, other, place=0)

    def _from_target(self) -> None:
        state, real, other = self._state, self._real_target, self._real_source
        networks = state.to_source, state.to_target, state.judge_source
        self._fake_source = self._there_and_back(*networks, real, other, place=1)

    def _there_and_back(
        self, there: nn.Module, back: nn.Module, judge: nn.Module, real: Tensor, other: Tensor, place: int
    ) -> Tensor:
        """Translate, judge, translate back; add to the gradients.

        Args:
            there, back: generators.
            judge: the discriminator of where the first one leads.
            real: images that it translates.
            other: real images of where it leads.
            place: 0 from source to target, 1 the other way.

        Returns:
            The translated images.
        """
        settings, batch = self._settings, self._settings.batch_size
        with self._precision():
            if settings.identity_weight > 0:
                # Translation and identity in one call: instance norm keeps the images of a batch apart.
                fake, same = there(torch.cat([real, other])).float().split(batch)
                identity = losses.identity(other, same)
            else:
                fake, identity = there(real).float(), real.new_zeros(())
            adversarial = losses.generator_adversarial(judge(fake).float(), settings.adversarial)
            cycle = losses.cycle(real, back(fake).float())
        weight = settings.mu_cyc
        (adversarial + weight * cycle + weight * settings.identity_weight * identity).backward()
        self._sums[place] += torch.stack([adversarial, cycle, identity]).detach()
        return fake.detach()

    def _train_discriminators(self) -> None:
        state = self._state
        state.discriminators.requires_grad_(True)
        state.optimiser_d.zero_grad()
        self._both(
            lambda: self._tell_apart(state.judge_target, self._real_target, self._shown_target, 0),
            lambda: self._tell_apart(state.judge_source, self._real_source, self._shown_source, 1),
        )
        state.optimiser_d.step()

    def _tell_apart(self, judge: nn.Module, real: Tensor, shown: Tensor, place: int) -> None:
        """Gradients of one discriminator, from real images and translated ones."""
        with self._precision():
            of_real, of_fake = judge(torch.cat([real, shown])).float().split(self._settings.batch_size)
            loss = losses.discriminator_adversarial(of_real, of_fake, self._settings.adversarial)
        loss.backward()
        self._judged[place] += loss.detach()
