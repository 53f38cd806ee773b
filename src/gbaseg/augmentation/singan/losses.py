"""SinGAN's losses of one step (WGAN-GP, METHOD 5), as they read: differentiated automatically, in float32."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.bank import mean_of_each
from gbaseg.augmentation.singan.networks import Discriminator, Generator
from gbaseg.augmentation.singan.penalty import gradient_penalty


@dataclass(frozen=True)
class Losses:
    """What a scale's networks are trained on.

    Args:
        generator, discriminator: of this scale, M models side by side.
        real: (1, M, H, W), the training slices at this scale, in [-1, 1].
        reconstruct_from: noise and prior, each (1, M, H, W), from which `real` is to be reconstructed.
        settings: the losses' weights.
    """

    generator: Generator
    discriminator: Discriminator
    real: Tensor
    reconstruct_from: tuple[Tensor, Tensor]
    settings: SinGANSettings

    def fakes(self, noise: Tensor, prior: Tensor) -> Tensor:
        """Random images for the discriminator, (N, M, H, W) of noise and priors of that shape, one after the other."""
        return torch.cat([self.generator(*one) for one in zip(noise.split(1), prior.split(1), strict=True)]).detach()

    def of_discriminator(self, fake: Tensor, at: Tensor) -> Tensor:
        """Each model's loss on one random image, (M); its gradient is added to the discriminator's parameters.

        Args:
            fake: (1, M, H, W), of `fakes`.
            at: (M, 1, 1), where between it and the real one the penalty is taken.
        """
        apart = mean_of_each(self.discriminator(fake)) - mean_of_each(self.discriminator(self.real))
        loss = apart + self.settings.gp_weight * gradient_penalty(self.discriminator, self.real, fake, at)
        _differentiate(loss)
        return loss.detach()

    def of_generator(self, noise: Tensor, prior: Tensor) -> Tensor:
        """Each model's loss on one random image and the reconstruction, (M); its gradient is added to the generator's.

        The original, too, leaves a gradient in the discriminator, which its next step throws away.
        """
        adversarial = -mean_of_each(self.discriminator(self.generator(noise, prior)))
        reconstruction = mean_of_each((self.generator(*self.reconstruct_from) - self.real) ** 2)
        loss = adversarial + self.settings.reconstruction_weight * reconstruction
        _differentiate(loss)
        return loss.detach()


def _differentiate(losses: Tensor) -> None:
    # No model's parameters are in another's loss.
    losses.sum().backward()  # type: ignore[no-untyped-call]
