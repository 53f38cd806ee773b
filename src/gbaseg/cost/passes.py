"""Floating-point operations of one forward pass of every network, in closed form: two a multiplication with addition.

Convolutions alone, as torch's own counter counts them (a test holds the two together), without torch, which takes
seconds to import: whoever begins a run wants to know at once what it takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# As `augmentation.singan.networks`: convolutions of 3 x 3 without padding, after which the image has its size again.
_SINGAN_LAYERS = 5


def _convolution(channels_in: int, channels: int, kernel: int, places: float) -> float:
    """Of a convolution that is computed at so many places; `kernel`: weights of one channel."""
    return 2.0 * channels_in * channels * kernel * places


def generator(batch: int, shape_yx: Sequence[int], width: int, blocks: int, halvings: int) -> float:
    """Of the CycleGAN's generator on `batch` images; sides are filled up to what can be halved."""
    stride = 2**halvings
    pixels = batch * math.prod(-(-side // stride) * stride for side in shape_yx)
    total, channels = _convolution(1, width, 49, pixels) + _convolution(width, 1, 49, pixels), width
    for _ in range(halvings):
        pixels //= 4
        total += _convolution(channels, 2 * channels, 9, pixels)
        # Its way back is a transposed convolution, computed at the places that it comes from.
        total += _convolution(2 * channels, channels, 9, pixels)
        channels *= 2
    return total + blocks * 2 * _convolution(channels, channels, 9, pixels)


def discriminator(batch: int, shape_yx: Sequence[int], width: int, layers: int) -> float:
    """Of the CycleGAN's discriminator on `batch` images."""
    total, channels_in, sides = 0.0, 1, list(shape_yx)
    for depth in range(layers + 1):
        channels = width * min(2**depth, 8)
        sides = [side // 2 if depth < layers else side - 1 for side in sides]
        total += _convolution(channels_in, channels, 16, batch * math.prod(sides))
        channels_in = channels
    return total + _convolution(channels_in, 1, 16, batch * math.prod(side - 1 for side in sides))


def singan(shape_yx: Sequence[int], width: int) -> float:
    """Of one scale of a SinGAN on one image; its discriminator has the same layers."""
    channels = [1, *[width] * (_SINGAN_LAYERS - 1), 1]
    total = 0.0
    for layer in range(_SINGAN_LAYERS):
        margin = 2 * (_SINGAN_LAYERS - 1 - layer)
        places = math.prod(side + margin for side in shape_yx)
        total += _convolution(channels[layer], channels[layer + 1], 9, places)
    return total


def unet(
    batch: int, patch_zyx: Sequence[int], features: Sequence[int], convolutions: int, classes: int, shortest: int
) -> float:
    """Of nnU-Net's plain U-Net with deep supervision on `batch` patches.

    Args:
        batch: patches of a step.
        patch_zyx: their size, voxels.
        features: of each resolution, the finest first.
        convolutions: of each resolution, on the way down and on the way up.
        classes: with the background.
        shortest: an axis of less voxels is halved no more.
    """
    sides, voxels, steps = list(patch_zyx), [float(batch * math.prod(patch_zyx))], []
    for depth in range(1, len(features)):
        strides = [1 if edge // 2 ** (depth - 1) < shortest else 2 for edge in patch_zyx]
        sides = [-(-side // stride) for side, stride in zip(sides, strides, strict=True)]
        voxels.append(float(batch * math.prod(sides)))
        steps.append(math.prod(strides))
    total, channels_in = 0.0, 1
    for channels, places in zip(features, voxels, strict=True):
        total += _convolution(channels_in, channels, 27, places)
        total += (convolutions - 1) * _convolution(channels, channels, 27, places)
        channels_in = channels
    for depth, step in enumerate(steps):
        channels, places = features[depth], voxels[depth]
        total += _convolution(features[depth + 1], channels, step, voxels[depth + 1])
        total += _convolution(2 * channels, channels, 27, places)
        total += (convolutions - 1) * _convolution(channels, channels, 27, places)
        total += _convolution(channels, classes, 1, places)
    return total
