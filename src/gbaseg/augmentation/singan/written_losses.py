"""The same losses with their gradients written out, convolutions in bfloat16 where the device has it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gbaseg.augmentation.singan.bank import mean_of_each, share_of_each
from gbaseg.augmentation.singan.chain import Chain, Pass
from gbaseg.augmentation.singan.losses import Losses
from gbaseg.augmentation.singan.networks import MARGIN, Discriminator, Generator
from gbaseg.augmentation.singan.penalty import point_between
from gbaseg.runtime.precision import short_float


class WrittenLosses(Losses):
    """As `Losses`. The gradient penalty stays in float32, as do norms, losses and parameters."""

    @torch.no_grad()
    def of_discriminator(self, noise: Tensor, prior: Tensor, at: Tensor) -> Tensor:
        critic = self._short(self.discriminator)
        fake, _ = _generate(self._short(self.generator), noise, prior)
        of_fake, of_real = critic.forward(fake), critic.forward(self.real)
        share = share_of_each(of_real.result)
        of_fake.backward(torch.full_like(of_fake.result, share))
        of_real.backward(torch.full_like(of_real.result, -share))
        between = Chain(self.discriminator.layers).forward(point_between(self.real, fake, at))
        penalty = between.penalise(self.settings.gp_weight)
        return mean_of_each(of_fake.result) - mean_of_each(of_real.result) + self.settings.gp_weight * penalty

    @torch.no_grad()
    def of_generator(self, noise: Tensor, prior: Tensor) -> Tensor:
        generator = self._short(self.generator)
        fake, added = _generate(generator, noise, prior)
        scored = self._short(self.discriminator).forward(fake)
        incoming = torch.full_like(scored.result, -share_of_each(scored.result))
        _blame(added, scored.backward(incoming, train=False))

        again, added = _generate(generator, *self.reconstruct_from)
        error, weight = again - self.real, self.settings.reconstruction_weight
        _blame(added, error * (2.0 * weight * share_of_each(error)))
        return weight * mean_of_each(error**2) - mean_of_each(scored.result)

    def _short(self, network: Generator | Discriminator) -> Chain:
        return Chain(network.layers, short_float(self.real.device))


def _generate(generator: Chain, noise: Tensor, prior: Tensor) -> tuple[Tensor, Pass]:
    """As `Generator.forward`, and the layers' pass."""
    added = generator.forward(F.pad(noise + prior, (MARGIN,) * 4))
    return prior + torch.tanh(added.result), added


def _blame(added: Pass, incoming: Tensor) -> None:
    """Take a gradient for an image back through `_generate` to the generator's parameters."""
    added.backward(incoming * (1.0 - torch.tanh(added.result) ** 2))
