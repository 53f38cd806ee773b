"""The scales of a SinGAN: how many, how large, how wide (METHOD 5)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.errors import UserError

_SCALES_OF_ONE_WIDTH = 4


@dataclass(frozen=True)
class Pyramid:
    """Scales 0 (coarsest) .. K (the image's own size).

    Args:
        shape: (H, W) of the image, pixels.
        ratio: r, between neighbouring scales, < 1.
        last_scale: K.
        left_out: coarser scales that the whole pyramid has below scale 0, and this one has not.
    """

    shape: tuple[int, int]
    ratio: float
    last_scale: int
    left_out: int = 0

    def size(self, scale: int) -> tuple[int, int]:
        """(H, W) at a scale: ceil(side * r^(K - scale)). Scale -1, below the coarsest, is harmonisation's way in."""
        shrink = self.ratio ** (self.last_scale - scale)
        # Without the tolerance 256 * ((25 / 256)^(1/16))^16 is 25.000000000000004, and its ceil 26.
        height, width = (math.ceil(side * shrink - 1e-6) for side in self.shape)
        return height, width

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(H, W) of scales 0 .. K."""
        return [self.size(scale) for scale in range(self.last_scale + 1)]

    def used_from(self, k_star: int) -> Pyramid:
        """The scales that harmonisation with up to `k_star` goes through, and one below to learn their noise from."""
        last_scale = min(k_star + 1, self.last_scale)
        return replace(self, last_scale=last_scale, left_out=self.last_scale - last_scale)

    def channels(self, scale: int, width: int, max_width: int) -> int:
        """Of the networks at a scale, as wide as in the whole pyramid."""
        return width_at(scale + self.left_out, width, max_width)


def make_pyramid(shape: tuple[int, int], min_size: int = 25, scale_factor: float = 0.85) -> Pyramid:
    """The pyramid whose shorter side goes from `min_size` to the image's own in equal ratios.

    K = ceil(log(min_size / shorter side) / log(scale_factor)) + 1 and r = (min_size / shorter side)^(1/K), as in
    the original code: 256 x 256 from 25 with 0.85 gives K = 16, r = 0.8647.

    Raises:
        UserError: the image is not larger than `min_size`.
    """
    shorter = min(shape)
    if shorter <= min_size:
        raise UserError(
            f"augmentation.singan.min_size is {min_size}, but the slice is {shape[0]} x {shape[1]} pixels; "
            f"min_size must be less than {shorter}"
        )
    wanted = math.log(min_size / shorter) / math.log(scale_factor)
    last_scale = math.ceil(wanted - 1e-9) + 1
    return Pyramid(shape, (min_size / shorter) ** (1.0 / last_scale), last_scale)


def trained_pyramid(shape: tuple[int, int], settings: SinGANSettings, k_star: int | None) -> Pyramid:
    """The scales that are trained: all, or with `settings.pyramid` "used" those that `k_star`, the largest, needs.

    Raises:
        UserError: as `make_pyramid`.
    """
    pyramid = make_pyramid(shape, settings.min_size, settings.scale_factor)
    return pyramid.used_from(k_star) if settings.pyramid == "used" and k_star is not None else pyramid


def width_at(scale: int, width: int = 32, max_width: int = 128) -> int:
    """Channels of the networks at a scale: min(width * 2^floor(scale / 4), max_width)."""
    return min(width * 2 ** (scale // _SCALES_OF_ONE_WIDTH), max_width)
