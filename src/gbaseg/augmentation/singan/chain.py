"""Gradients of a network's layers written out: what automatic differentiation gives, in fewer and larger pieces.

A network is a chain of blocks i = 1 .. 4, h = W a + b, a' = leaky(norm(h)), and a plain convolution at its end. Written
out, the second derivative of a batch norm is one formula in place of some thirty operations, and everything may lie
channels last. All of it is checked against automatic differentiation in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from gbaseg.augmentation.singan.bank import mean_of_each, share_of_each
from gbaseg.augmentation.singan.networks import SLOPE

# Stride, padding, dilation, transposed, output padding.
_PLAIN = ([1, 1], [0, 0], [1, 1], False, [0, 0])


@dataclass(frozen=True)
class _Norm:
    """A batch norm's tensors, looked up once: a module finds its own in Python, each time."""

    weight: Tensor
    bias: Tensor
    running: tuple[Tensor, Tensor]  # mean and variance
    momentum: float
    eps: float

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> _Norm:
        assert norm.running_mean is not None and norm.running_var is not None
        running = (norm.running_mean, norm.running_var)
        return cls(norm.weight, norm.bias, running, norm.momentum or 0.0, norm.eps)


@dataclass(frozen=True)
class _Block:
    """What one block read and made."""

    images: Tensor  # a
    values: Tensor  # h
    means: list[Tensor]  # of h, (C) for each image
    scales: list[Tensor]  # 1 / standard deviation, likewise
    result: Tensor  # a'


@dataclass(frozen=True)
class _Went:
    """What went through a block on the way down to the images, one image's."""

    into: Tensor  # g, the norm's gradient is taken of it
    out: Tensor  # that gradient
    total: Tensor  # sum of g, (C)
    total_normal: Tensor  # sum of g xhat, (C)


class Chain:
    """A network's layers, for as long as the network stays where it is; each run reads the weights that it has then."""

    def __init__(self, layers: nn.Sequential, dtype: torch.dtype | None = None) -> None:
        """
        Args:
            layers: of `networks`.
            dtype: that convolutions are computed in; None: the weights' own.
        """
        convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
        self._norms = [_Norm.of(layer) for layer in layers if isinstance(layer, nn.BatchNorm2d)]
        self._models = convolutions[0].groups
        self._own = [layer.weight for layer in convolutions]
        self._own_biases = [layer.bias for layer in convolutions if layer.bias is not None]
        self._dtype = dtype or self._own[0].dtype
        # Those of the network's own width are the network's tensors, others are copies.
        self._weights = [weight.detach().to(self._dtype) for weight in self._own]
        self._biases = [bias.detach().to(self._dtype) for bias in self._own_biases]

    def forward(self, images: Tensor) -> Pass:
        """Run the layers, in training mode.

        Args:
            images: (N, M, H, W), M models. Norms take each image by itself, one after the other: N passes of one
                image, in fewer and larger convolutions.
        """
        if self._dtype != self._own[0].dtype:
            torch._foreach_copy_([*self._weights, *self._biases], [*self._own, *self._own_biases])
        images = images.to(self._dtype)
        blocks: list[_Block] = []
        for weight, bias, norm in zip(self._weights, self._biases, self._norms, strict=False):
            values = torch.conv2d(images, weight, bias, groups=self._models)
            if weight.is_contiguous(memory_format=torch.channels_last):
                # With one channel both orders are the same, and the convolution takes the wrong one.
                values = values.contiguous(memory_format=torch.channels_last)
            block = self._normalise(images, values, norm)
            blocks.append(block)
            images = block.result
        return Pass(self, blocks)

    def score(self, images: Tensor) -> Tensor:
        """The last convolution, in float32 at least, as losses are."""
        result = torch.conv2d(images, self._weights[-1], self._biases[-1], groups=self._models)
        return result.to(torch.promote_types(self._dtype, torch.float32))

    def image_gradient(self, at: int, incoming: Tensor, images: Tensor) -> Tensor:
        """Of convolution `at`, for what it read."""
        return self._convolution_backward(at, incoming, images, [True, False, False])[0]

    def weight_gradient(self, at: int, incoming: Tensor, images: Tensor) -> None:
        """Of convolution `at`, added to its weight's gradient."""
        _add(self._own[at], self._convolution_backward(at, incoming, images, [False, True, False])[1])

    def both_gradients(self, at: int, incoming: Tensor, images: Tensor, *, for_images: bool = True) -> Tensor:
        """`image_gradient` and `weight_gradient`, and the bias's where no norm takes it out again."""
        last = at == len(self._norms)
        gradients = self._convolution_backward(at, incoming, images, [for_images, True, last])
        _add(self._own[at], gradients[1])
        if last:
            _add(self._own_biases[at], gradients[2])
        return gradients[0]

    def convolve(self, at: int, images: Tensor) -> Tensor:
        """Convolution `at` without its bias: also the derivative of `image_gradient` for what comes in."""
        return torch.conv2d(images, self._weights[at], groups=self._models)

    def norm_gradient(self, at: int, incoming: Tensor, block: _Block, *, train: bool) -> Tensor:
        """Of norm `at`, for its input; with `train` also added to its weight's and bias's gradients."""
        norm, for_values = self._norms[at], []
        parts = zip(_each(incoming), _each(block.values), block.means, block.scales, strict=True)
        for gradient, values, mean, scale in parts:
            for_value, for_weight, for_bias = _norm_backward(norm, gradient, values, mean, scale, train)
            for_values.append(for_value)
            if train:
                _add(norm.weight, for_weight)
                _add(norm.bias, for_bias)
        return for_values[0] if len(for_values) == 1 else torch.cat(for_values)

    def norm_passed(self, at: int, incoming: Tensor, block: _Block) -> _Went:
        """The same of one image, with what `norm_second` needs of it."""
        out, total_normal, total = _norm_backward(
            self._norms[at], incoming, block.values, block.means[0], block.scales[0], True
        )
        return _Went(incoming, out, total, total_normal)

    def norm_second(self, at: int, second: Tensor, went: _Went, block: _Block) -> tuple[Tensor, Tensor]:
        """Derivative of `norm_gradient`, for what came in and for the norm's input; its weight's is added.

        With xhat = (h - mean) s and P(t) = t - mean(t) - xhat mean(t xhat) the norm's gradient is w s P(g). For v, the
        gradient of its result, v . w s P(g) has the derivatives

            for g:  w s P(v)
            for w:  s n c,                   c = mean(v g) - mean(v) mean(g) - mean(v xhat) mean(g xhat)
            for h:  - w s^2 (mean(g xhat) P(v) + mean(v xhat) P(g) + xhat c)

        Args:
            at: which norm.
            second: v, (1, C, H, W).
            went: g, likewise, with its sums and w s P(g).
            block: h, mean and s.
        """
        norm, mean, scale = self._norms[at], block.means[0], block.scales[0]
        for_incoming, vx, v = _norm_backward(norm, second, block.values, mean, scale, True)
        share = share_of_each(second)
        c = mean_of_each(second * went.into) - share * share * (v * went.total + vx * went.total_normal)
        _add(norm.weight, scale * c / share)
        # xhat c taken apart: a factor of h and a constant.
        factor = norm.weight * scale**3 * c
        for_values = torch.addcmul(_wide(factor * mean), for_incoming, _wide(scale * went.total_normal), value=-share)
        for_values.addcmul_(went.out, _wide(scale * vx), value=-share)
        return for_incoming, for_values.addcmul_(block.values, _wide(factor), value=-1.0)

    def _normalise(self, images: Tensor, values: Tensor, norm: _Norm) -> _Block:
        result, means, scales = torch.empty_like(values), [], []
        for value, place in zip(_each(values), _each(result), strict=True):
            normal, mean, scale = torch.native_batch_norm(
                value, norm.weight, norm.bias, *norm.running, True, norm.momentum, norm.eps
            )
            torch.ops.aten.leaky_relu.out(normal, SLOPE, out=place)
            means.append(mean)
            scales.append(scale)
        return _Block(images, values, means, scales, result)

    def _convolution_backward(
        self, at: int, incoming: Tensor, images: Tensor, wanted: list[bool]
    ) -> tuple[Tensor, ...]:
        weight = self._weights[at]
        return torch.ops.aten.convolution_backward(  # type: ignore[no-any-return]
            incoming, images, weight, [weight.shape[0]], *_PLAIN, self._models, wanted
        )


class Pass:
    """One run of a chain, with what its gradients need."""

    def __init__(self, chain: Chain, blocks: list[_Block]) -> None:
        self._chain, self._blocks = chain, blocks
        self._downwards = list(enumerate(blocks))[::-1]
        self._dtype = blocks[0].images.dtype

    @cached_property
    def result(self) -> Tensor:
        """(N, M, H - 10, W - 10); the penalty needs its gradient alone."""
        return self._chain.score(self._blocks[-1].result)

    def train(self, incoming: Tensor) -> None:
        """Add the loss's gradient to the parameters' gradients, given that for the result, of its shape."""
        chain, last = self._chain, len(self._blocks)
        gradient = chain.both_gradients(last, incoming.to(self._dtype), self._blocks[-1].result)
        for at, block in self._downwards:
            gradient = chain.norm_gradient(at, _leaky_gradient(gradient, block), block, train=True)
            gradient = chain.both_gradients(at, gradient, block.images, for_images=at > 0)

    def image_gradient(self, incoming: Tensor) -> Tensor:
        """The loss's gradient for the images, given that for the result."""
        chain, last = self._chain, len(self._blocks)
        gradient = chain.image_gradient(last, incoming.to(self._dtype), self._blocks[-1].result)
        for at, block in self._downwards:
            gradient = chain.norm_gradient(at, _leaky_gradient(gradient, block), block, train=False)
            gradient = chain.image_gradient(at, gradient, block.images)
        return gradient

    def penalise(self, weight: float) -> Tensor:
        """WGAN-GP's penalty of each model on one image, (M); `weight` times its gradient is added to the parameters'.

        See `penalty.gradient_penalty`.
        """
        chain, blocks, last = self._chain, self._blocks, len(self._blocks)
        count, _, height, width = blocks[-1].result.shape
        models = blocks[0].images.shape[1]
        ones = blocks[-1].result.new_ones((count, models, height - 2, width - 2))
        # Down the chain: the gradient for the images, with what went into and out of each norm's gradient.
        gradient, went = chain.image_gradient(last, ones, blocks[-1].result), []
        for at, block in self._downwards:
            went.append(chain.norm_passed(at, _leaky_gradient(gradient, block), block))
            gradient = chain.image_gradient(at, went[-1].out, block.images)
        went.reverse()
        excess = gradient.abs() - 1.0
        # Up: the derivative of all that, which is linear in the gradient and not in weights and activations.
        second = excess * gradient.sign() * (2.0 * weight * share_of_each(excess))
        for_values = []
        for at, (block, passed) in enumerate(zip(blocks, went, strict=True)):
            chain.weight_gradient(at, passed.out, second)
            second, values = chain.norm_second(at, chain.convolve(at, second), passed, block)
            second = _leaky_gradient(second, block)
            for_values.append(values)
        chain.weight_gradient(last, ones, second)
        # Down again: what the activations have to do with it.
        for at, block in self._downwards:
            values = for_values[at]
            if at + 1 < last:
                values += chain.norm_gradient(at, _leaky_gradient(gradient, block), block, train=True)
            gradient = chain.both_gradients(at, values, block.images, for_images=at > 0)
        return mean_of_each(excess**2)


def _wide(values: Tensor) -> Tensor:
    """(C) to (C, 1, 1)."""
    return values[:, None, None]


def _each(images: Tensor) -> Sequence[Tensor]:
    """Image by image; of one alone no view is made."""
    return (images,) if len(images) == 1 else images.chunk(len(images))


def _leaky_gradient(incoming: Tensor, block: _Block) -> Tensor:
    return torch.ops.aten.leaky_relu_backward(incoming, block.result, SLOPE, True)  # type: ignore[no-any-return]


def _norm_backward(
    norm: _Norm, incoming: Tensor, values: Tensor, mean: Tensor, scale: Tensor, train: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients for the norm's input, weight (the sum of incoming xhat) and bias (the sum of incoming)."""
    return torch.ops.aten.native_batch_norm_backward(  # type: ignore[no-any-return]
        incoming, values, norm.weight, *norm.running, mean, scale, True, norm.eps, [True, train, train]
    )


def _add(parameter: Tensor, gradient: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    parameter.grad.add_(gradient)
