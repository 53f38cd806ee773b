"""How many parameters the networks have, and what nnU-Net plans where params.yaml leaves it the choice. No torch."""

from __future__ import annotations

import math

from gbaseg.augmentation.settings import largest_k_star
from gbaseg.augmentation.singan.pyramid import trained_pyramid
from gbaseg.params import Params

# What nnU-Net plans for 3D images on a GPU of 8 GiB, whatever their size: its budget fixes the product.
PLANNED_PATCH = (64, 160, 160)
PLANNED_FEATURES = (32, 64, 128, 256, 320, 320)
PLANNED_BATCH, PLANNED_CONVS = 2, 2


def generator_parameters(settings: Params) -> int:
    """Of one of the CycleGAN's generators."""
    one = settings.translation.cyclegan
    width, total, channels = one.generator_width, 0, one.generator_width
    total += 49 * width + width
    for _ in range(one.generator_halvings):
        total += 9 * channels * 2 * channels + 2 * channels
        channels *= 2
    total += one.residual_blocks * 2 * (9 * channels * channels + channels)
    for _ in range(one.generator_halvings):
        total += 9 * channels * channels // 2 + channels // 2
        channels //= 2
    return total + 49 * width + 1


def discriminator_parameters(settings: Params) -> int:
    """Of one of the CycleGAN's discriminators."""
    one = settings.translation.cyclegan
    channels = one.discriminator_width
    total = 16 * channels + channels
    for depth in range(1, one.discriminator_layers + 1):
        wider = one.discriminator_width * min(2**depth, 8)
        total += 16 * channels * wider + wider
        channels = wider
    return total + 16 * channels + 1


def singan_parameters(settings: Params) -> int:
    """Of the generators of all scales of a SinGAN, and its images, which are kept beside them."""
    one, side = settings.augmentation.singan, settings.standardise.crop_xy_px
    pyramid = trained_pyramid((side, side), one, largest_k_star(settings.augmentation.rules))
    total = 0
    for scale, shape in enumerate(pyramid.sizes):
        width = pyramid.channels(scale, one.width, one.max_width)
        # Five 3 x 3 convolutions with biases, four batch norms with scale, shift, mean and variance.
        total += 9 * width + 3 * 9 * width * width + 9 * width + 4 * width + 1 + 4 * 4 * width + 2 * math.prod(shape)
    return total


def unet_parameters(settings: Params) -> int:
    """Of nnU-Net's plain U-Net with convolutions of 3 x 3 x 3, as `work` builds it."""
    network = settings.segmentation.network
    features = network.features or PLANNED_FEATURES
    convs = network.convs_per_stage or PLANNED_CONVS
    classes = len(settings.dataset.structures) + 1

    def block(channels_in: int, channels: int) -> int:
        first = 27 * channels_in * channels
        # Weights, and bias, scale and shift of each convolution.
        return first + (convs - 1) * 27 * channels**2 + convs * 3 * channels

    total, before = 0, 1
    for channels in features:
        total += block(before, channels)
        before = channels
    for below, channels in zip(features[:0:-1], features[-2::-1], strict=True):
        total += 8 * below * channels + channels + block(2 * channels, channels) + (channels + 1) * classes
    return total
