"""The same losses with their gradients written out, convolutions in bfloat16 where the device has it."""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from gbaseg.augmentation.singan.bank import mean_of_each, share_of_each
from gbaseg.augmentation.singan.chain import Chain
from gbaseg.augmentation.singan.losses import Losses
from gbaseg.augmentation.singan.networks import MARGIN
from gbaseg.augmentation.singan.penalty import point_between
from gbaseg.runtime.precision import short_float


class WrittenLosses(Losses):
    """As `Losses`. Not in bfloat16: the gradient penalty with all its layers, statistics, losses and parameters."""

    @torch.no_grad()
    def fakes(self, noise: Tensor, prior: Tensor) -> Tensor:
        return prior + torch.tanh(self._generator.forward(_padded(noise + prior)).result)

    @torch.no_grad()
    def of_discriminator(self, fake: Tensor, at: Tensor) -> Tensor:
        weight = self.settings.gp_weight
        apart = self._set_apart(fake)
        between = self._discriminator_in_full.forward(point_between(self.real, fake, at))
        return apart + weight * between.penalise(weight)

    @torch.no_grad()
    def of_generator(self, noise: Tensor, prior: Tensor) -> Tensor:
        # The random images and the reconstructions together.
        noise_rec, prior_rec = self.reconstruct_from
        priors = torch.cat([prior, prior_rec])
        added = self._generator.forward(_padded(torch.cat([noise, noise_rec]) + priors))
        change = torch.tanh(added.result)
        fake, again = (priors + change).split(1)

        scored = self._discriminator.forward(fake)
        for_fake = scored.image_gradient(torch.full_like(scored.result, -share_of_each(scored.result)))
        error, weight = again - self.real, self.settings.reconstruction_weight
        for_again = error * (2.0 * weight * share_of_each(error))
        added.train(torch.cat([for_fake, for_again]) * (1.0 - change**2))
        return weight * mean_of_each(error**2) - mean_of_each(scored.result)

    @cached_property
    def _generator(self) -> Chain:
        return Chain(self.generator.layers, short_float(self.real.device))

    @cached_property
    def _discriminator(self) -> Chain:
        return Chain(self.discriminator.layers, short_float(self.real.device))

    @cached_property
    def _discriminator_in_full(self) -> Chain:
        return Chain(self.discriminator.layers)

    def _set_apart(self, fake: Tensor) -> Tensor:
        """How much higher the discriminators score fake than real images, (M), and its gradient."""
        scored = self._discriminator.forward(torch.cat([fake, self.real]))
        of_fake, of_real = scored.result.split(1)
        incoming = torch.full_like(scored.result, share_of_each(of_fake))
        incoming[1:].neg_()
        scored.train(incoming)
        return mean_of_each(of_fake) - mean_of_each(of_real)


def _padded(images: Tensor) -> Tensor:
    """As `Generator.forward` pads them."""
    return F.pad(images, (MARGIN,) * 4)
