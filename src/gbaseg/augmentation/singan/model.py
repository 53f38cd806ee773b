"""A trained SinGAN: its scales, how an image goes up through them, and its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.networks import Generator, Window
from gbaseg.augmentation.singan.pyramid import Pyramid
from gbaseg.augmentation.singan.resize import resize
from gbaseg.augmentation.singan.window import needed
from gbaseg.runtime.checkpoint import load_weights, not_fitting, save_weights
from gbaseg.runtime.training import place
from gbaseg.settings import Settings

# (scale, shape) -> noise of unit amplitude.
Draw = Callable[[int, tuple[int, ...]], Tensor]
# Far beyond any slice: a file's numbers are checked before anything is built by them.
_MOST_SCALES = 200
_Side = Annotated[int, Field(ge=1, le=65_536)]


@dataclass
class SinGAN:
    """Generators of scales 0 .. len - 1; complete when there is one for each scale of the pyramid.

    Args:
        settings: what it was trained with.
        pyramid: its scales.
        image: the training slice, (1, 1, H, W) in [-1, 1].
        z_rec: the coarsest scale's fixed noise, (1, 1, h, w), from which the image is reconstructed.
        generators: one a scale, in eval mode.
        amplitudes: noise amplitude of each scale.
    """

    settings: SinGANSettings
    pyramid: Pyramid
    image: Tensor
    z_rec: Tensor
    generators: list[Generator] = field(default_factory=list)
    amplitudes: list[float] = field(default_factory=list)

    @property
    def last_scale(self) -> int:
        """K."""
        return self.pyramid.last_scale

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.image.device

    def resize(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize (N, 1, h, w) to `size`, as this model was trained."""
        return resize(images, size, self.settings.eight_bit)

    @torch.no_grad()
    def ascend(self, prior: Tensor, start: int, draw: Draw, window: Window | None = None) -> Tensor:
        """Take an image up through the generators from scale `start` to the finest there is.

        Args:
            prior: (N, 1, h, w) at the size of scale `start`, in [-1, 1].
            start: the first generator to run.
            draw: gives each scale's noise, of unit amplitude.
            window: rows and columns of the finest scale that are wanted; of a complete model.

        Returns:
            (N, 1, H, W) at the size of the last generator's scale; outside the window no image.
        """
        images, windows = prior, needed(window, self.pyramid, start) if window else {}
        for scale in range(start, len(self.generators)):
            if scale > start:
                images = self.resize(images, self.pyramid.size(scale))
            noise = self.amplitudes[scale] * draw(scale, tuple(images.shape))
            images = self.generators[scale](noise, images, windows.get(scale))
        return images

    def from_nothing(self, count: int) -> Tensor:
        """The coarsest scale's prior: zeros (count, 1, h, w)."""
        return torch.zeros((count, 1, *self.pyramid.size(0)), device=self.device)

    def sample(self, count: int, draw: torch.Generator) -> Tensor:
        """Random images (count, 1, H, W), [-1, 1]; `draw` lives on the model's device."""
        return self.ascend(
            self.from_nothing(count),
            0,
            lambda _, shape: torch.randn(shape, generator=draw, device=self.device),
        )

    def reconstruct(self) -> Tensor:
        """The training slice as the model remembers it (1, 1, H, W): z_rec at the coarsest scale, no noise above."""
        return self.ascend(
            self.from_nothing(1),
            0,
            lambda scale, shape: self.z_rec if scale == 0 else torch.zeros(shape, device=self.device),
        )


def save_singan(model: SinGAN, path: str | Path) -> None:
    """Write the weights, the training slice, the noise and all numbers into one safetensors file.

    Equal models give equal bytes: the numbers are one string, since the file keeps no order among several.
    """
    tensors = {"image": model.image, "z_rec": model.z_rec}
    for scale, generator in enumerate(model.generators):
        for name, tensor in generator.state_dict().items():
            tensors[f"generators.{scale}.{name}"] = tensor
    numbers = {
        "settings": model.settings.model_dump(mode="json"),
        "shape": model.pyramid.shape,
        "ratio": model.pyramid.ratio,
        "last_scale": model.pyramid.last_scale,
        "left_out": model.pyramid.left_out,
        "sizes": model.pyramid.sizes,
        "amplitudes": model.amplitudes,
    }
    save_weights(tensors, Path(path), {"singan": json.dumps(numbers, sort_keys=True)})


class _Numbers(Settings):
    """What the file of a SinGAN says about it, within what can be."""

    settings: SinGANSettings
    shape: tuple[_Side, _Side]
    ratio: Annotated[float, Field(gt=0, lt=1)]
    last_scale: Annotated[int, Field(ge=0, le=_MOST_SCALES)]
    left_out: Annotated[int, Field(ge=0, le=_MOST_SCALES)]
    sizes: list[tuple[_Side, _Side]]
    amplitudes: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=_MOST_SCALES + 1)]


def load_singan(path: str | Path, device: torch.device) -> SinGAN:
    """Read what `save_singan` wrote.

    Raises:
        UserError: the file is missing or damaged, holds no SinGAN, or weights that are not finite.
    """
    path = Path(path)
    tensors, about = load_weights(path, device)
    try:
        numbers = _Numbers.model_validate_json(about.get("singan", ""))
        image, z_rec = tensors["image"], tensors["z_rec"]
    except (ValidationError, KeyError) as error:
        raise not_fitting(path, "not a SinGAN") from error
    settings = numbers.settings
    pyramid = Pyramid(numbers.shape, numbers.ratio, numbers.last_scale, numbers.left_out)
    model = SinGAN(settings, pyramid, image, z_rec, amplitudes=list(numbers.amplitudes))
    for scale in range(len(model.amplitudes)):
        generator = Generator(pyramid.channels(scale, settings.width, settings.max_width))
        place(generator, device, channels_last=settings.mode == "fast")
        prefix = f"generators.{scale}."
        try:
            generator.load_state_dict(
                {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            )
        except RuntimeError as error:
            raise not_fitting(path, f"its weights of scale {scale} are not those of its numbers") from error
        model.generators.append(generator.requires_grad_(False).eval())
    return model
