"""WGAN-GP's gradient penalty."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def point_between(real: Tensor, fake: Tensor, at: Tensor) -> Tensor:
    """Where the penalty is taken: 0 is fake, 1 is real."""
    return at * real + (1.0 - at) * fake


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, at: Tensor) -> Tensor:
    """Mean over pixels of (|gradient| - 1)^2 at a point between real and fake (WGAN-GP).

    The norm is taken over the channels of each pixel, as in SinGAN, not over the image.

    Args:
        discriminator: the critic.
        real, fake: (1, 1, H, W).
        at: the point, a scalar in [0, 1]: 0 is fake, 1 is real.
    """
    between = point_between(real, fake, at).requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    # One channel, so the norm is the absolute value, whose derivative is defined at 0.
    return ((gradient.abs() - 1.0) ** 2).mean()
