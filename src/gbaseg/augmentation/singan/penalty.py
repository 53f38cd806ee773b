"""WGAN-GP's gradient penalty."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gbaseg.augmentation.singan.bank import mean_of_each


def point_between(real: Tensor, fake: Tensor, at: Tensor) -> Tensor:
    """Where the penalty is taken: 0 is fake, 1 is real."""
    return at * real + (1.0 - at) * fake


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, at: Tensor) -> Tensor:
    """Mean over pixels of (|gradient| - 1)^2 at a point between real and fake (WGAN-GP), for each model, (M).

    The norm is taken over the channels of each pixel, as in SinGAN, not over the image; and there is one channel.

    Args:
        discriminator: the critics.
        real, fake: (1, M, H, W).
        at: the points in [0, 1], a scalar or (M, 1, 1): 0 is fake, 1 is real.
    """
    between = point_between(real, fake, at).requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    # The norm of one channel is the absolute value, whose derivative is defined at 0.
    return mean_of_each((gradient.abs() - 1.0) ** 2)
