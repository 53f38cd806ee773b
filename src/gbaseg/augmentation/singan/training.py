"""Training a SinGAN on one slice, scale by scale from the coarsest (METHOD 5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.iteration import Iteration
from gbaseg.augmentation.singan.model import SinGAN
from gbaseg.augmentation.singan.networks import Discriminator, Generator, initialise
from gbaseg.augmentation.singan.priors import Pool, Priors, Serial
from gbaseg.augmentation.singan.pyramid import trained_pyramid
from gbaseg.augmentation.singan.resize import resize
from gbaseg.runtime.precision import in_bfloat16, in_float32
from gbaseg.runtime.progress import Meter, meter
from gbaseg.runtime.seeds import derive, torch_generator
from gbaseg.runtime.threads import torch_threads
from gbaseg.runtime.training import place

# Measured on two cores: up to 27,000 two threads are at most a tenth faster than one, at 46,000 two thirds.
_FEW_VALUES = 32_768


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
            generator, discriminator = _networks(channels, derive(seed, scale), below, discriminator)
            for network in (generator, discriminator):
                place(network, device, channels_last=settings.mode == "fast")
            if scale < finished:
                saved = torch.load(checkpoint, map_location=device, weights_only=True)
                generator.load_state_dict(saved["generator"])
                discriminator.load_state_dict(saved["discriminator"])
                report = ScaleReport(**saved["report"])
                _freeze(model, generator, report.noise_amplitude)
            else:
                draw = torch_generator(derive(seed, scale, "training"), device)
                # The error of the scale below, too, is what the mode makes of it.
                with nullcontext() if settings.mode == "fast" else in_float32(device):
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
    return generator, discriminator


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
    priors = _priors(model, scale, size, draw)
    iteration = Iteration(generator, discriminator, real, (noise_rec, prior_rec), settings)
    decay_at = max(1, round(settings.decay_at_fraction * settings.iterations))
    with _threads(settings, generator.width * real.numel()):
        for done in range(settings.iterations):
            if done == decay_at:
                iteration.lower_rates()
            iteration.run(priors, amplitude, draw)
            bar.advance(1)

    _freeze(model, generator, amplitude)
    rmse = float(F.mse_loss(model.reconstruct(), real).sqrt())
    bar.advance(0, note=f"scale {scale}/{model.last_scale}, reconstruction {rmse:.3f}")
    loss_g, loss_d = (float(loss) for loss in iteration.losses)
    return ScaleReport(scale, *size, generator.width, amplitude, rmse, loss_d, loss_g)


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


def _threads(settings: SinGANSettings, values: int) -> AbstractContextManager[None]:
    """One thread for a layer of so few values that a second one gains little, and loses much to any neighbour."""
    return torch_threads(1) if settings.mode == "fast" and values < _FEW_VALUES else nullcontext()


def _freeze(model: SinGAN, generator: Generator, amplitude: float) -> None:
    """From here on the scale is used as it will be when it harmonises: with its running statistics."""
    generator.zero_grad()  # a recording's memory would be kept by them
    model.generators.append(generator.requires_grad_(False).eval())
    model.amplitudes.append(amplitude)
