"""One iteration of a scale's training: the discriminator's steps, then the generator's (WGAN-GP, METHOD 5)."""

from __future__ import annotations

import torch
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.losses import Losses
from gbaseg.augmentation.singan.networks import Discriminator, Generator
from gbaseg.augmentation.singan.priors import Priors
from gbaseg.augmentation.singan.written_losses import WrittenLosses
from gbaseg.runtime.graphs import Replayed
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
        fast = settings.mode == "fast"
        self._losses = (WrittenLosses if fast else Losses)(
            generator.train(), discriminator.train(), real, reconstruct_from, settings
        )
        self._real, self._settings = real, settings
        steps = settings.discriminator_steps + settings.generator_steps
        # A step each.
        self._noise = real.new_empty((steps, *real.shape[1:]))
        self._priors = real.new_empty((steps, *real.shape[1:]))
        self._between = real.new_empty((settings.discriminator_steps, 1, 1, 1))
        self._optimisers = [
            adam(network, settings.learning_rate, settings.betas) for network in (generator, discriminator)
        ]
        self._last = (real.new_zeros(()), real.new_zeros(()))
        self._replayed = Replayed(real.device, record=fast)

    @property
    def losses(self) -> tuple[Tensor, Tensor]:
        """Of generator and discriminator, in the last step of each."""
        return self._last

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
        for step in range(of_generator):
            self._optimisers[1].zero_grad(set_to_none=False)
            loss_d = self._losses.of_discriminator(*self._drawn(step), self._between[step])
            self._optimisers[1].step()
        for step in range(of_generator, of_generator + settings.generator_steps):
            self._optimisers[0].zero_grad(set_to_none=False)
            # A new fake for each step: the original backpropagates through weights its last step has changed.
            loss_g = self._losses.of_generator(*self._drawn(step))
            self._optimisers[0].step()
        self._last = (loss_g, loss_d)

    def _drawn(self, step: int) -> tuple[Tensor, Tensor]:
        """Noise and prior of a step's random image, each (1, 1, H, W)."""
        one = slice(step, step + 1)
        return self._noise[one], self._priors[one]
