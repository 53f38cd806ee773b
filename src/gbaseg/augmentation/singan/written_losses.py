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
    """As `Losses`. Not in bfloat16: the gradient penalty with all its layers, statistics, losses and parameters."""

    @torch.no_grad()
    def of_discriminator(self, noise: Tensor, prior: Tensor, at: Tensor) -> Tensor:
        fake = _generate(self._short(self.generator), noise, prior)[0]
        critic, weight = self._short(self.discriminator), self.settings.gp_weight
        apart = _raise(critic, fake, -1.0) + _raise(critic, self.real, 1.0)
        between = Chain(self.discriminator.layers).forward(point_between(self.real, fake, at))
        return weight * between.penalise(weight) - apart

    @torch.no_grad()
    def of_generator(self, noise: Tensor, prior: Tensor) -> Tensor:
        generator = self._short(self.generator)
        fake, added = _generate(generator, noise, prior)
        scored = self._short(self.discriminator).forward(fake)
        share = share_of_each(scored.result)
        _blame(added, scored.image_gradient(torch.full_like(scored.result, -share)))

        again, added = _generate(generator, *self.reconstruct_from)
        error, weight = again - self.real, self.settings.reconstruction_weight
        _blame(added, error * (2.0 * weight * share_of_each(error)))
        return weight * mean_of_each(error**2) - mean_of_each(scored.result)

    def _short(self, network: Generator | Discriminator) -> Chain:
        return Chain(network.layers, short_float(self.real.device))


def _raise(critic: Chain, images: Tensor, sign: float) -> Tensor:
    """`sign` times the critics' mean scores, (M); that they grow is what their parameters get a gradient for."""
    scored = critic.forward(images)
    scored.train(torch.full_like(scored.result, -sign * share_of_each(scored.result)))
    return sign * mean_of_each(scored.result)


def _generate(generator: Chain, noise: Tensor, prior: Tensor) -> tuple[Tensor, Pass]:
    """As `Generator.forward`, and the layers' pass."""
    added = generator.forward(F.pad(noise + prior, (MARGIN,) * 4))
    return prior + torch.tanh(added.result), added


def _blame(added: Pass, incoming: Tensor) -> None:
    """Take a gradient for an image back through `_generate` to the generator's parameters."""
    added.train(incoming * (1.0 - torch.tanh(added.result) ** 2))
