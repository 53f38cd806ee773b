"""One iteration of a scale's training: the discriminator's steps, then the generator's (WGAN-GP, METHOD 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.losses import Losses
from gbaseg.augmentation.singan.networks import Discriminator, Generator
from gbaseg.augmentation.singan.priors import Priors
from gbaseg.augmentation.singan.written_losses import WrittenLosses
from gbaseg.runtime.graphs import Replayed
from gbaseg.runtime.training import adam, set_rate


@dataclass(frozen=True)
class Chance:
    """Where a model's random images come from.

    Args:
        priors: random images of the scales below.
        amplitude: of the noise on them.
        draw: for the noise and the penalty's points, on the image's device.
    """

    priors: Priors
    amplitude: float
    draw: torch.Generator


class Iteration:
    """Trains generators against discriminators, each pair on one image: M models side by side.

    All that is random is drawn before the steps, into tensors that stay where they are: so a GPU can repeat the
    whole iteration from one recording, and a CPU draws in three calls a model. Each model has a chance of its own:
    what it is trained on does not depend on its neighbours.
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
            real: (1, M, H, W), the training slices at this scale, in [-1, 1].
            reconstruct_from: noise and prior, each (1, M, H, W), from which `real` is to be reconstructed.
            settings: numbers.
        """
        fast = settings.mode == "fast"
        self._losses = (WrittenLosses if fast else Losses)(
            generator.train(), discriminator.train(), real, reconstruct_from, settings
        )
        self._settings = settings
        steps = settings.discriminator_steps + settings.generator_steps
        _, models, height, width = real.shape
        # A model each, and then a step each: what one model draws lies together.
        self._noise, self._priors = (real.new_empty((models, steps, height, width)) for _ in range(2))
        self._between = real.new_empty((models, settings.discriminator_steps))
        self._optimisers = [
            adam(network, settings.learning_rate, settings.betas) for network in (generator, discriminator)
        ]
        self._loss_g, self._loss_d = (real.new_zeros(models) for _ in range(2))
        self._replayed = Replayed(real.device, record=fast)

    @property
    def losses(self) -> tuple[Tensor, Tensor]:
        """Of generators and discriminators, each (M), in the last step of each."""
        return self._loss_g, self._loss_d

    def run(self, chances: Sequence[Chance]) -> None:
        """One iteration; a chance a model."""
        for model, chance in enumerate(chances):
            self._noise[model].normal_(generator=chance.draw).mul_(chance.amplitude)
            self._between[model].uniform_(generator=chance.draw)
            chance.priors.fill(self._priors[model].unsqueeze(1))
        self._replayed(self._take_steps)

    def lower_rates(self) -> float:
        """From here on both learning rates are a tenth; the one they are now."""
        rate = 0.1 * self._settings.learning_rate
        set_rate(self._optimisers, rate)
        return rate

    def _take_steps(self) -> None:
        settings, of_generator = self._settings, self._settings.discriminator_steps
        # The generator stays as it is meanwhile.
        fakes = self._losses.fakes(*self._drawn(0, of_generator))
        for step in range(of_generator):
            self._optimisers[1].zero_grad(set_to_none=False)
            self._loss_d = self._losses.of_discriminator(fakes[step : step + 1], self._between[:, step, None, None])
            self._optimisers[1].step()
        for step in range(of_generator, of_generator + settings.generator_steps):
            self._optimisers[0].zero_grad(set_to_none=False)
            # A new fake for each step: the original backpropagates through weights its last step has changed.
            self._loss_g = self._losses.of_generator(*self._drawn(step, step + 1))
            self._optimisers[0].step()

    def _drawn(self, first: int, end: int) -> tuple[Tensor, Tensor]:
        """Noise and priors of some steps' random images, each (N, M, H, W)."""
        return self._noise[:, first:end].transpose(0, 1), self._priors[:, first:end].transpose(0, 1)
