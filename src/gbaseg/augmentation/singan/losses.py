"""SinGAN's losses of one step (WGAN-GP, METHOD 5), as they read: differentiated automatically, in float32."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.networks import Discriminator, Generator
from gbaseg.augmentation.singan.penalty import gradient_penalty


@dataclass(frozen=True)
class Losses:
    """What a scale's networks are trained on.

    Args:
        generator, discriminator: of this scale.
        real: (1, 1, H, W), the training slice at this scale, in [-1, 1].
        reconstruct_from: noise and prior, each (1, 1, H, W), from which `real` is to be reconstructed.
        settings: the losses' weights.
    """

    generator: Generator
    discriminator: Discriminator
    real: Tensor
    reconstruct_from: tuple[Tensor, Tensor]
    settings: SinGANSettings

    def of_discriminator(self, noise: Tensor, prior: Tensor, at: Tensor) -> Tensor:
        """The discriminator's loss on one random image; its gradient is added to the discriminator's parameters.

        Args:
            noise, prior: (1, 1, H, W), of the random image.
            at: where between it and the real one the penalty is taken.
        """
        fake = self.generator(noise, prior).detach()
        apart = self.discriminator(fake).mean() - self.discriminator(self.real).mean()
        loss = apart + self.settings.gp_weight * gradient_penalty(self.discriminator, self.real, fake, at)
        _differentiate(loss)
        return loss.detach()

    def of_generator(self, noise: Tensor, prior: Tensor) -> Tensor:
        """The generator's loss on one random image and the reconstruction; its gradient is added likewise.

        The original, too, leaves a gradient in the discriminator, which its next step throws away.
        """
        adversarial = -self.discriminator(self.generator(noise, prior)).mean()
        reconstruction = F.mse_loss(self.generator(*self.reconstruct_from), self.real)
        loss = adversarial + self.settings.reconstruction_weight * reconstruction
        _differentiate(loss)
        return loss.detach()


def _differentiate(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
