"""Training a SinGAN on one slice, scale by scale from the coarsest (METHOD 5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.model import SinGAN
from gbaseg.augmentation.singan.networks import Discriminator, Generator, initialise
from gbaseg.augmentation.singan.priors import Pool, Priors, Serial
from gbaseg.augmentation.singan.pyramid import trained_pyramid
from gbaseg.augmentation.singan.resize import resize
from gbaseg.runtime.precision import in_bfloat16
from gbaseg.runtime.progress import Meter, meter
from gbaseg.runtime.seeds import derive, torch_generator


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


def train_singan(
    image: np.ndarray,
    settings: SinGANSettings,
    seed: int,
    device: torch.device,
    scratch: Path,
    *,
    k_star: int | None = None,
    on_scale: Callable[[ScaleReport], None] | None = None,
    name: str = "SinGAN",
) -> SinGAN:
    """Train one generator a scale, each against its own discriminator, the scales below frozen.

    Args:
        image: the slice, (H, W), in [0, 1].
        settings: numbers.
        seed: equal seeds give equal models, bit for bit on a CPU with the same number of threads.
        device: where to train.
        scratch: folder for one checkpoint a scale. A call with the same scratch goes on after the last finished
            scale and ends with the same weights as if it had never been interrupted: each scale has its own seed.
        k_star: the largest of harmonisation; with `settings.pyramid` "used", scales further down are left out.
        on_scale: told of each scale, also of those found in `scratch`.
        name: on the progress bar.

    Raises:
        UserError: the slice is not larger than `settings.min_size`.
        ValueError: not a 2D slice of finite values in [0, 1].
    """
    if image.ndim != 2 or not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        raise ValueError(f"expected a 2D slice with finite values in [0, 1], found shape {image.shape}")
    pyramid = trained_pyramid((image.shape[0], image.shape[1]), settings, k_star)
    full = torch.as_tensor(np.asarray(image, np.float32), device=device)[None, None] * 2.0 - 1.0
    # Every scale is made from the full slice, not from the scale above it.
    reals = [resize(full, size, settings.eight_bit) for size in pyramid.sizes]
    draw = torch_generator(derive(seed, "z_rec"), device)
    z_rec = torch.randn(reals[0].shape, generator=draw, device=device)
    model = SinGAN(settings, pyramid, full, z_rec)
    discriminator: Discriminator | None = None

    scratch.mkdir(parents=True, exist_ok=True)
    checkpoints = [scratch / f"scale_{scale:02d}.pt" for scale in range(len(reals))]
    finished = next((n for n, path in enumerate(checkpoints) if not path.is_file()), len(reals))
    with meter(name, len(reals) * settings.iterations, finished * settings.iterations) as bar:
        for scale, (real, checkpoint) in enumerate(zip(reals, checkpoints, strict=True)):
            channels = pyramid.channels(scale, settings.width, settings.max_width)
            below = model.generators[-1] if model.generators else None
            generator, discriminator = _networks(channels, derive(seed, scale), device, below, discriminator)
            if scale < finished:
                saved = torch.load(checkpoint, map_location=device, weights_only=True)
                generator.load_state_dict(saved["generator"])
                discriminator.load_state_dict(saved["discriminator"])
                report = ScaleReport(**saved["report"])
                _freeze(model, generator, report.noise_amplitude)
            else:
                draw = torch_generator(derive(seed, scale, "training"), device)
                report = _train_scale(model, scale, real, generator, discriminator, draw=draw, bar=bar)
                state = {
                    "generator": generator.state_dict(),
                    "discriminator": discriminator.state_dict(),
                    "report": asdict(report),
                }
                partial = checkpoint.with_suffix(".partial")
                torch.save(state, partial)
                partial.replace(checkpoint)
            if on_scale is not None:
                on_scale(report)
    return model


def _networks(
    channels: int,
    seed: int,
    device: torch.device,
    generator_below: Generator | None,
    discriminator_below: Discriminator | None,
) -> tuple[Generator, Discriminator]:
    """The networks of a scale: as wide as those below, they start from their weights; otherwise drawn."""
    generator, discriminator = Generator(channels), Discriminator(channels)
    draw = torch_generator(seed, torch.device("cpu"))
    pairs: list[tuple[Generator | Discriminator, Generator | Discriminator | None]]
    pairs = [(generator, generator_below), (discriminator, discriminator_below)]
    for network, below in pairs:
        if below is not None and below.width == channels:
            network.load_state_dict(below.state_dict())
        else:
            initialise(network, draw)
    return generator.to(device), discriminator.to(device)


def _train_scale(
    model: SinGAN,
    scale: int,
    real: Tensor,
    generator: Generator,
    discriminator: Discriminator,
    *,
    draw: torch.Generator,
    bar: Meter,
) -> ScaleReport:
    """Train the networks of one scale and append the generator, frozen, to `model`."""
    settings = model.settings
    size = (real.shape[2], real.shape[3])
    if scale == 0:
        prior_rec, noise_rec, amplitude = model.from_nothing(1), model.z_rec, 1.0
    else:
        prior_rec, noise_rec = model.resize(model.reconstruct(), size), torch.zeros_like(real)
        # What the scale below could not say about this one is what noise may add here.
        amplitude = settings.noise_factor * float(F.mse_loss(prior_rec, real).sqrt())
    priors, fast = _priors(model, scale, size, draw), settings.mode == "fast"

    def inputs() -> tuple[Tensor, Tensor]:
        """Noise and prior of one step."""
        return amplitude * torch.randn(real.shape, generator=draw, device=real.device), priors.next()

    rate, betas = settings.learning_rate, settings.betas
    optimiser_g = torch.optim.Adam(generator.parameters(), rate, betas)
    optimiser_d = torch.optim.Adam(discriminator.parameters(), rate, betas)
    decay_at = [max(1, round(settings.decay_at_fraction * settings.iterations))]
    schedules = [torch.optim.lr_scheduler.MultiStepLR(each, decay_at, gamma=0.1) for each in (optimiser_g, optimiser_d)]
    generator.train()
    discriminator.train()
    for _ in range(settings.iterations):
        for _ in range(settings.discriminator_steps):
            with torch.set_grad_enabled(not fast), _precision(fast, real.device):
                fake = generator(*inputs()).float().detach()
            with _precision(fast, real.device):
                apart = discriminator(fake).float().mean() - discriminator(real).float().mean()
            loss_d = apart + settings.gp_weight * _gradient_penalty(discriminator, real, fake, draw)
            optimiser_d.zero_grad()
            loss_d.backward()
            optimiser_d.step()

        discriminator.requires_grad_(not fast)
        for _ in range(settings.generator_steps):
            with _precision(fast, real.device):
                # A new fake for each step: the original backpropagates through weights its last step has changed.
                adversarial = -discriminator(generator(*inputs()).float()).float().mean()
                reconstruction = F.mse_loss(generator(noise_rec, prior_rec).float(), real)
            loss_g = adversarial + settings.reconstruction_weight * reconstruction
            optimiser_g.zero_grad()
            loss_g.backward()
            optimiser_g.step()
        discriminator.requires_grad_(True)

        for schedule in schedules:
            schedule.step()
        bar.advance(1)

    _freeze(model, generator, amplitude)
    rmse = float(F.mse_loss(model.reconstruct(), real).sqrt())
    bar.advance(0, note=f"scale {scale}/{model.last_scale}, reconstruction {rmse:.3f}")
    return ScaleReport(scale, *size, generator.width, amplitude, rmse, loss_d.item(), loss_g.item())


def _priors(model: SinGAN, scale: int, size: tuple[int, int], draw: torch.Generator) -> Priors:
    """Random images of the scale below at this scale's size; at the coarsest zeros."""
    settings = model.settings
    if scale == 0:
        return Serial(model.from_nothing)
    if settings.mode == "reference":
        return Serial(lambda count: model.resize(model.sample(count, draw), size))

    def sample(count: int) -> Tensor:
        with in_bfloat16(model.device):
            return model.resize(model.sample(count, draw).float(), size)

    steps = settings.iterations * (settings.discriminator_steps + settings.generator_steps)
    return Pool(sample, settings.sample_uses, steps, draw)


def _precision(fast: bool, device: torch.device) -> AbstractContextManager[Any]:
    """Convolutions of the fast mode are in bfloat16 where the processor has it; the gradient penalty never is."""
    return in_bfloat16(device) if fast else nullcontext()


def _freeze(model: SinGAN, generator: Generator, amplitude: float) -> None:
    """From here on the scale is used as it will be when it harmonises: with its running statistics."""
    model.generators.append(generator.requires_grad_(False).eval())
    model.amplitudes.append(amplitude)


def _gradient_penalty(discriminator: Discriminator, real: Tensor, fake: Tensor, draw: torch.Generator) -> Tensor:
    """Mean over pixels of (|gradient| - 1)^2 at a random point between real and fake (WGAN-GP).

    The norm is taken over the channels of each pixel, as in SinGAN, not over the image.
    """
    at = torch.rand((1, 1, 1, 1), generator=draw, device=real.device)
    between = (at * real + (1.0 - at) * fake).requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    # One channel, so the norm is the absolute value, whose derivative is defined at 0.
    return ((gradient.abs() - 1.0) ** 2).mean()
