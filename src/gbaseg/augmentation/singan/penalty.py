"""WGAN-GP's gradient penalty, and convolutions whose second derivative is as cheap as their first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from gbaseg.augmentation.singan.networks import Discriminator

# Stride, padding, dilation, transposed, output padding, groups.
_PLAIN = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)


def gradient_penalty(
    discriminator: Discriminator, real: Tensor, fake: Tensor, at: Tensor, *, fast: bool = False
) -> Tensor:
    """Mean over pixels of (|gradient| - 1)^2 at a point between real and fake (WGAN-GP).

    The norm is taken over the channels of each pixel, as in SinGAN, not over the image.

    Args:
        discriminator: the critic.
        real, fake: (1, 1, H, W).
        at: the point, a scalar in [0, 1]: 0 is fake, 1 is real.
        fast: differentiate the convolutions by `convolve`.
    """
    between = (at * real + (1.0 - at) * fake).requires_grad_(True)
    scores = _scores(discriminator, between) if fast else discriminator(between)
    (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
    # One channel, so the norm is the absolute value, whose derivative is defined at 0.
    return ((gradient.abs() - 1.0) ** 2).mean()


def _scores(discriminator: Discriminator, images: Tensor) -> Tensor:
    for layer in discriminator.layers:
        images = convolve(images, layer.weight, layer.bias) if isinstance(layer, nn.Conv2d) else layer(images)
    return images


def convolve(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Unpadded convolution of stride 1, (N, C, H, W) with (D, C, h, w), whose image gradient can be differentiated.

    The gradient for the images is linear in weights and incoming gradient, so its own derivatives are a convolution
    and a weight gradient like any other. PyTorch computes the latter as a convolution with a kernel as large as the
    image; a CPU's library takes no longer for it, one for GPUs has no kernels made for that shape.

    While a graph of the derivative is built only the images get a gradient; that is the penalty's case.
    """
    result: Tensor = _Convolve.apply(images, weight, bias)
    return result


def _gradients(incoming: Tensor, images: Tensor, weight: Tensor, wanted: list[bool]) -> tuple[Tensor, ...]:
    """For images, weight and bias; None where not wanted."""
    return torch.ops.aten.convolution_backward(  # type: ignore[no-any-return]
        incoming, images, weight, [weight.shape[0]], *_PLAIN, wanted
    )


class _Convolve(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(images, weight)
        return torch.conv2d(images, weight, bias)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Any:
        images, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # a graph of this derivative is built
            return _ImageGradient.apply(incoming, images, weight), None, None
        return _gradients(incoming, images, weight, list(ctx.needs_input_grad))


class _ImageGradient(Function):
    @staticmethod
    def forward(ctx: Any, incoming: Tensor, images: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(incoming, weight)
        return _gradients(incoming, images, weight, [True, False, False])[0]

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> Any:
        incoming, weight = ctx.saved_tensors
        of_weight = _gradients(incoming, second, weight, [False, True, False])[1]
        return torch.conv2d(second, weight), None, of_weight
