"""Training one scale of one or several SinGANs, the scales below frozen (METHOD 5)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.bank import side_by_side, take_apart
from gbaseg.augmentation.singan.iteration import Chance, Iteration
from gbaseg.augmentation.singan.model import SinGAN
from gbaseg.augmentation.singan.networks import Discriminator, Generator
from gbaseg.augmentation.singan.priors import Pool, Priors, Serial
from gbaseg.errors import UserError
from gbaseg.runtime.finite import diverged, is_flattened, not_finite
from gbaseg.runtime.precision import in_bfloat16
from gbaseg.runtime.progress import Meter
from gbaseg.runtime.threads import torch_threads
from gbaseg.runtime.training import place

# Measured on two cores: at 20,000 two threads are a tenth faster than one, at 46,000 two thirds.
_FEW_VALUES = 16_384
# Iterations between two looks at the losses: a GPU waits for each.
_LOOK_EVERY = 100
# On [-1, 1]: mid-grey all over is nearer to any slice.
_WORST_RMSE = 1.0


@dataclass(frozen=True)
class ScaleReport:
    """How the training of one scale ended. Losses are those of the last iteration."""

    scale: int
    height: int
    width: int
    channels: int
    noise_amplitude: float
    reconstruction_rmse: float  # on [-1, 1], after training, with the generator as it is used (eval mode)
    discriminator_loss: float
    generator_loss: float


def train_scale(
    models: Sequence[SinGAN],
    reals: Sequence[Tensor],
    generators: Sequence[Generator],
    discriminators: Sequence[Discriminator],
    draws: Sequence[torch.Generator],
    bar: Meter,
) -> list[ScaleReport]:
    """Train the next scale of models of one size side by side and append each its generator, frozen.

    Args:
        models: finished up to the scale below.
        reals: (1, 1, H, W) each, the training slices at this scale.
        generators, discriminators: with the weights to start from; in them are the trained ones at the end.
        draws: all that is random, one a model; a model does not depend on its neighbours.
        bar: moved on by one an iteration.

    Raises:
        UserError: a model diverges: a loss or a weight is not finite, or its slice comes out constant.
    """
    settings, device, scale = models[0].settings, models[0].device, len(models[0].generators)
    starts = [_start(model, real) for model, real in zip(models, reals, strict=True)]
    chances = [
        Chance(_priors(model, (real.shape[2], real.shape[3]), draw), amplitude, draw)
        for model, real, draw, (_, _, amplitude) in zip(models, reals, draws, starts, strict=True)
    ]
    generator, discriminator = side_by_side(generators), side_by_side(discriminators)
    for network in (generator, discriminator):
        place(network, device, channels_last=settings.mode == "fast")
    real, noise, prior = (
        torch.cat(each, dim=1) for each in (list(reals), [start[0] for start in starts], [start[1] for start in starts])
    )
    iteration = Iteration(generator, discriminator, real, (noise, prior), settings)
    decay_at, rate = max(1, round(settings.decay_at_fraction * settings.iterations)), settings.learning_rate

    def stop(found: list[str], done: int) -> UserError:
        when = f"scale {scale} of {models[0].last_scale}, iteration {done} of {settings.iterations}"
        kept = f"the scales below {scale}" if scale else ""
        return diverged(bar.name, found, when, rate, "augmentation.singan.learning_rate", kept)

    with _threads(settings, generator.width * noise.numel()):
        for done in range(settings.iterations):
            if done == decay_at:
                rate = iteration.lower_rates()
            iteration.run(chances)
            bar.advance(1)
            if (done + 1) % _LOOK_EVERY == 0 or done + 1 == settings.iterations:
                losses = zip(("generator", "discriminator"), iteration.losses, strict=True)
                broken = [f"loss {name} is not finite" for name, loss in losses if not bool(loss.isfinite().all())]
                if broken:
                    raise stop(broken, done + 1)

    take_apart(generator, generators)
    take_apart(discriminator, discriminators)
    reports = []
    for place_in_bank, (model, own, one, chance) in enumerate(zip(models, reals, generators, chances, strict=True)):
        freeze(model, one, chance.amplitude)
        reconstructed = model.reconstruct()
        flaws = [f"weights {name} are not finite" for name in not_finite(one.state_dict())]
        rmse = float(F.mse_loss(reconstructed, own).sqrt())
        if is_flattened(reconstructed, own):
            flaws.append("the reconstructed slice is constant")
        elif not rmse <= _WORST_RMSE:
            flaws.append(f"the reconstructed slice is {rmse:.2f} off its own intensities, on [-1, 1]")
        if flaws:
            raise stop(flaws, settings.iterations)
        loss_g, loss_d = (float(losses[place_in_bank]) for losses in iteration.losses)
        size = (own.shape[2], own.shape[3])
        reports.append(ScaleReport(scale, *size, one.width, chance.amplitude, rmse, loss_d, loss_g))
    worst = max(report.reconstruction_rmse for report in reports)
    bar.advance(0, note=f"scale {scale}/{models[0].last_scale}, reconstruction {worst:.3f}")
    return reports


def freeze(model: SinGAN, generator: Generator, amplitude: float) -> None:
    """Append a scale; from here on it is used as it will be when it harmonises: with its running statistics."""
    model.generators.append(generator.requires_grad_(False).eval())
    model.amplitudes.append(amplitude)


def _start(model: SinGAN, real: Tensor) -> tuple[Tensor, Tensor, float]:
    """Noise and prior, from which the slice is to be reconstructed, and the amplitude of random images' noise."""
    if not model.generators:
        return model.z_rec, model.from_nothing(1), 1.0
    prior = model.resize(model.reconstruct(), (real.shape[2], real.shape[3]))
    # What the scale below could not say about this one is what noise may add here.
    amplitude = model.settings.noise_factor * float(F.mse_loss(prior, real).sqrt())
    return torch.zeros_like(real), prior, amplitude


def _priors(model: SinGAN, size: tuple[int, int], draw: torch.Generator) -> Priors:
    """Random images of the scale below at this scale's size; at the coarsest zeros."""
    settings = model.settings
    if not model.generators:
        return Serial(model.from_nothing)
    if settings.mode == "reference":
        return Serial(lambda count: model.resize(model.sample(count, draw), size))

    def sample(count: int) -> Tensor:
        with in_bfloat16(model.device):
            return model.resize(model.sample(count, draw).float(), size)

    steps = settings.iterations * (settings.discriminator_steps + settings.generator_steps)
    return Pool(sample, settings.sample_uses, steps, draw)


def _threads(settings: SinGANSettings, values: int) -> AbstractContextManager[None]:
    """One thread for a layer of so few values that a second one gains little, and loses much to any neighbour."""
    return torch_threads(1) if settings.mode == "fast" and values < _FEW_VALUES else nullcontext()
