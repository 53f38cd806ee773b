"""Training SinGANs, each on one slice, scale by scale from the coarsest (METHOD 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.model import SinGAN
from gbaseg.augmentation.singan.networks import Discriminator, Generator, initialise
from gbaseg.augmentation.singan.pyramid import Pyramid, trained_pyramid
from gbaseg.augmentation.singan.resize import resize
from gbaseg.augmentation.singan.scale import ScaleReport, freeze, train_scale
from gbaseg.runtime.checkpoint import forget, load_checkpoint, save_checkpoint
from gbaseg.runtime.graphs import release
from gbaseg.runtime.precision import in_float32
from gbaseg.runtime.progress import meter
from gbaseg.runtime.seeds import derive, torch_generator
from gbaseg.runtime.threads import note_computing
from gbaseg.runtime.training import place


@dataclass(frozen=True)
class Wanted:
    """A model to be trained.

    Args:
        image: the slice, (H, W), in [0, 1].
        seed: equal seeds give equal models, bit for bit on a CPU with the same number of threads and of models side
            by side; by rounding apart with other numbers.
        scratch: folder for one checkpoint a scale. A call with the same scratch goes on after the last scale that all
            models of the bank have finished, and ends with the same weights as if it had never been interrupted: each
            scale has its own seed.
    """

    image: np.ndarray
    seed: int
    scratch: Path


def train_singan(
    wanted: Wanted,
    settings: SinGANSettings,
    device: torch.device,
    *,
    k_star: int | None = None,
    on_scale: Callable[[ScaleReport], None] | None = None,
    name: str = "SinGAN",
) -> SinGAN:
    """Train one model: `train_bank` with a bank of one."""
    told = None if on_scale is None else lambda _, report: on_scale(report)
    return train_bank([wanted], settings, device, k_star=k_star, on_scale=told, name=name)[0]


def train_bank(
    wanted: Sequence[Wanted],
    settings: SinGANSettings,
    device: torch.device,
    *,
    k_star: int | None = None,
    on_scale: Callable[[int, ScaleReport], None] | None = None,
    name: str = "SinGAN",
) -> list[SinGAN]:
    """Train models of one size side by side: generator against discriminator at each scale, the scales below frozen.

    Args:
        wanted: slices of one shape, one a model.
        settings: numbers.
        device: where to train.
        k_star: the largest of harmonisation; with `settings.pyramid` "used", scales further down are left out.
        on_scale: told of each model's place and scale, also of those found in its `scratch`.
        name: on the progress bar.

    Raises:
        UserError: the slices are not larger than `settings.min_size`, or a model diverges.
        ValueError: not 2D slices of one shape with finite values in [0, 1].
    """
    shapes = {one.image.shape for one in wanted}
    if len(shapes) != 1 or not all(_is_slice(one.image) for one in wanted):
        raise ValueError(f"expected 2D slices of one shape with finite values in [0, 1], found shapes {sorted(shapes)}")
    pyramid = trained_pyramid(wanted[0].image.shape, settings, k_star)
    growing = [_Growing(one, settings, pyramid, device) for one in wanted]
    scales = len(pyramid.sizes)
    finished = min(one.finished() for one in growing)
    for one in growing:
        one.forget(finished)
    for one in growing:
        note_computing(one.wanted.scratch, name.replace("/", "_"), finished, scales, device)
    with meter(name, scales * settings.iterations, finished * settings.iterations) as bar:
        for scale in range(scales):
            pairs = [one.next_networks() for one in growing]
            if scale < finished:
                reports = [one.resume(*pair) for one, pair in zip(growing, pairs, strict=True)]
            else:
                # The error of the scale below, too, is what the mode makes of it.
                with nullcontext() if settings.mode == "fast" else in_float32(device):
                    reports = train_scale(
                        [one.model for one in growing],
                        [one.reals[scale] for one in growing],
                        [generator for generator, _ in pairs],
                        [discriminator for _, discriminator in pairs],
                        [torch_generator(derive(one.wanted.seed, scale, "training"), device) for one in growing],
                        bar,
                    )
                release(device)
                for one, pair, report in zip(growing, pairs, reports, strict=True):
                    one.save(*pair, report)
            for place_in_bank, report in enumerate(reports):
                if on_scale is not None:
                    on_scale(place_in_bank, report)
    return [one.model for one in growing]


class _Growing:
    """A model under training, with its discriminator and its checkpoints."""

    def __init__(self, wanted: Wanted, settings: SinGANSettings, pyramid: Pyramid, device: torch.device) -> None:
        self.wanted, self._device = wanted, device
        full = torch.as_tensor(np.asarray(wanted.image, np.float32), device=device)[None, None] * 2.0 - 1.0
        # Every scale is made from the full slice, not from the scale above it.
        self.reals: list[Tensor] = [resize(full, size, settings.eight_bit) for size in pyramid.sizes]
        draw = torch_generator(derive(wanted.seed, "z_rec"), device)
        z_rec = torch.randn(self.reals[0].shape, generator=draw, device=device)
        self.model = SinGAN(settings, pyramid, full, z_rec)
        self._discriminator: Discriminator | None = None
        wanted.scratch.mkdir(parents=True, exist_ok=True)
        self._found: list[Any] = []
        self._checkpoints = [wanted.scratch / f"scale_{scale:02d}.pt" for scale in range(len(self.reals))]

    def finished(self) -> int:
        """Scales of which there are whole checkpoints."""
        for scale, path in enumerate(self._checkpoints[len(self._found) :], start=len(self._found)):
            state = load_checkpoint(path, self._device, else_said=f"training goes on at scale {scale}")
            if state is None:
                break
            self._found.append(state)
        return len(self._found)

    def forget(self, scale: int) -> None:
        """Remove the checkpoints from `scale` on: they would not be those of the scales that are now trained below."""
        del self._found[scale:]
        for path in self._checkpoints[scale:]:
            forget(path)

    def next_networks(self) -> tuple[Generator, Discriminator]:
        """The networks of the next scale, with the weights they start from."""
        model, scale = self.model, len(self.model.generators)
        channels = model.pyramid.channels(scale, model.settings.width, model.settings.max_width)
        below = model.generators[-1] if model.generators else None
        pair = networks(channels, derive(self.wanted.seed, scale), below, self._discriminator)
        for network in pair:
            place(network, self._device, channels_last=model.settings.mode == "fast")
        self._discriminator = pair[1]
        return pair

    def save(self, generator: Generator, discriminator: Discriminator, report: ScaleReport) -> None:
        """Write the checkpoint of a scale that has just been trained."""
        state = {
            "generator": generator.state_dict(),
            "discriminator": discriminator.state_dict(),
            "report": asdict(report),
        }
        save_checkpoint(state, self._checkpoints[report.scale], keep_before=False)  # the scales below are

    def resume(self, generator: Generator, discriminator: Discriminator) -> ScaleReport:
        """Append the next scale from its checkpoint."""
        saved = self._found[len(self.model.generators)]
        generator.load_state_dict(saved["generator"])
        discriminator.load_state_dict(saved["discriminator"])
        report = ScaleReport(**saved["report"])
        freeze(self.model, generator, report.noise_amplitude)
        return report


def networks(
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


def _is_slice(image: np.ndarray) -> bool:
    return image.ndim == 2 and bool(np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1)
