"""One iteration of a scale's training: the discriminator's steps, then the generator's (WGAN-GP, METHOD 5)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.networks import Discriminator, Generator
from gbaseg.augmentation.singan.penalty import gradient_penalty
from gbaseg.augmentation.singan.priors import Priors
from gbaseg.runtime.graphs import Replayed
from gbaseg.runtime.precision import in_bfloat16
from gbaseg.runtime.training import adam, set_rate


class Iteration:
    """Trains a generator against a discriminator on one image.

    All that is random is drawn before the steps, into tensors that stay where they are: so a GPU can repeat the
    whole iteration from one recording, and a CPU draws in three calls.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        real: Tensor,
        reconstruct_from: tuple[Tensor, Tensor],
        settings: SinGANSettings,
    ) -> None:
        """
        Args:
            generator, discriminator: of this scale; trained in place.
            real: (1, 1, H, W), the training slice at this scale, in [-1, 1].
            reconstruct_from: noise and prior, each (1, 1, H, W), from which `real` is to be reconstructed.
            settings: numbers.
        """
        self._generator, self._discriminator = generator.train(), discriminator.train()
        self._real, self._reconstruct_from, self._settings = real, reconstruct_from, settings
        self._fast = settings.mode == "fast"
        steps = settings.discriminator_steps + settings.generator_steps
        # A step each.
        self._noise = real.new_empty((steps, *real.shape[1:]))
        self._priors = real.new_empty((steps, *real.shape[1:]))
        self._between = real.new_empty((settings.discriminator_steps, 1, 1, 1))
        self._optimisers = [
            adam(network, settings.learning_rate, settings.betas) for network in (generator, discriminator)
        ]
        self._losses = (real.new_zeros(()), real.new_zeros(()))
        self._replayed = Replayed(real.device, record=self._fast)

    @property
    def losses(self) -> tuple[Tensor, Tensor]:
        """Of generator and discriminator, in the last step of each."""
        return self._losses

    def run(self, priors: Priors, amplitude: float, draw: torch.Generator) -> None:
        """One iteration.

        Args:
            priors: random images of the scales below.
            amplitude: of the noise.
            draw: for the noise and the penalty's points, on the image's device.
        """
        self._noise.normal_(generator=draw).mul_(amplitude)
        self._between.uniform_(generator=draw)
        priors.fill(self._priors)
        self._replayed(self._take_steps)

    def lower_rates(self) -> None:
        """From here on both learning rates are a tenth."""
        set_rate(self._optimisers, 0.1 * self._settings.learning_rate)

    def _take_steps(self) -> None:
        settings, of_generator = self._settings, self._settings.discriminator_steps
        loss_g = loss_d = self._real.new_zeros(())
        for step in range(settings.discriminator_steps):
            loss_d = self._discriminator_step(step)
        # The original takes this gradient too, and throws it away.
        self._discriminator.requires_grad_(not self._fast)
        for step in range(of_generator, of_generator + settings.generator_steps):
            loss_g = self._generator_step(step)
        self._discriminator.requires_grad_(True)
        self._losses = (loss_g.detach(), loss_d.detach())

    def _discriminator_step(self, step: int) -> Tensor:
        real = self._real
        with torch.set_grad_enabled(not self._fast), self._precision():
            fake = self._fake(step).detach()
        with self._precision():
            apart = self._discriminator(fake).float().mean() - self._discriminator(real).float().mean()
        penalty = gradient_penalty(self._discriminator, real, fake, self._between[step], fast=self._fast)
        loss = apart + self._settings.gp_weight * penalty
        _descend(loss, self._optimisers[1])
        return loss

    def _generator_step(self, step: int) -> Tensor:
        with self._precision():
            # A new fake for each step: the original backpropagates through weights its last step has changed.
            adversarial = -self._discriminator(self._fake(step)).float().mean()
            reconstruction = F.mse_loss(self._generator(*self._reconstruct_from).float(), self._real)
        loss = adversarial + self._settings.reconstruction_weight * reconstruction
        _descend(loss, self._optimisers[0])
        return loss

    def _fake(self, step: int) -> Tensor:
        one = slice(step, step + 1)
        return self._generator(self._noise[one], self._priors[one]).float()

    def _precision(self) -> AbstractContextManager[Any]:
        """Convolutions of the fast mode are in bfloat16 where the device has it; the gradient penalty never is."""
        return in_bfloat16(self._real.device) if self._fast else nullcontext()


def _descend(loss: Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
