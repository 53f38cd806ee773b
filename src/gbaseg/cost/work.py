"""The work of every stage, counted from params.yaml and the size of the data set.

Networks are counted in floating-point operations of convolutions (two a multiplication with addition), by torch's own
counter on tensors without content; steps that read and resample in voxels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gbaseg.augmentation.rules import largest_k_star
from gbaseg.augmentation.singan.networks import Generator as SinGANGenerator
from gbaseg.augmentation.singan.pyramid import trained_pyramid
from gbaseg.cost.counted import DataSize
from gbaseg.params import Params
from gbaseg.translation.networks import Discriminator, Generator

# A training step's backward pass takes twice its forward pass: gradients of inputs and of weights.
_TRAINED = 3.0
# Backward through a gradient: forward, its gradient, and the gradient of both.
_PENALISED = 6.0
# What nnU-Net plans for 3D images on a GPU of 8 GiB, whatever their size: its budget fixes the product.
_PLANNED_PATCH = (64, 160, 160)
_PLANNED_FEATURES = (32, 64, 128, 256, 320, 320)
_PLANNED_BATCH, _PLANNED_CONVS = 2, 2

Unit = Literal["PFLOP", "Gvoxel"]


@dataclass(frozen=True)
class Work:
    """Of one stage; `kind` says which measured speed applies to it."""

    stage: str
    kind: str
    amount: float
    unit: Unit


def count_work(settings: Params, size: DataSize) -> list[Work]:
    """The stages that take time, in the order of the pipeline."""
    crop = settings.standardise.crop_xy_px
    voxels = size.slices * crop**2 / 1e9  # of a case on the standard grid, Gvoxel
    cases = size.source + size.target + size.held_out
    segmentation = settings.segmentation
    finer = _finer(settings)
    work = [Work("standardise", "standardise", (cases + finer * (size.target + size.held_out)) * voxels, "Gvoxel")]
    if settings.translation.mode == "cyclegan":
        work += [
            Work("train_translation", "cyclegan", _cyclegan(settings, size), "PFLOP"),
            Work("translate", "translate", size.source * size.slices * _there_and_back(settings), "PFLOP"),
        ]
    patch, patch_voxels = _patch(settings)
    epoch = segmentation.iterations_per_epoch * _TRAINED * patch
    predict = (size.target + size.held_out) * voxels * 1e9 / patch_voxels * patch * _passes(settings)
    work += [
        Work("survey", "nnunet", settings.survey.epochs * epoch, "PFLOP"),
        Work("pseudo_label survey", "predict", predict, "PFLOP"),
    ]
    copies = size.copies * size.source
    if settings.augmentation.arm == "gba":
        work.append(Work("train_singan", "singan", _singan(settings, size), "PFLOP"))
    if settings.augmentation.makes_copies:
        work.append(Work("augment", "augment", copies * voxels, "Gvoxel"))
    for item in settings.self_training.rounds:
        epochs = segmentation.last_round_epochs if item.last else segmentation.epochs
        grid = finer if item.last and settings.self_training.last_round_fine_grid else 1.0
        work += [
            Work(f"train {item.id}", "nnunet", segmentation.folds * epochs * epoch, "PFLOP"),
            Work(f"pseudo_label {item.id}", "predict", grid * segmentation.folds * predict, "PFLOP"),
        ]
    return work


def _finer(settings: Params) -> float:
    """Voxels of the finer grid for one of the standard grid; 0 where there is none."""
    fine = settings.standardise.fine_spacing_xyz_mm
    return math.prod(settings.standardise.spacing_xyz_mm) / math.prod(fine) if fine else 0.0


def _forward(network: nn.Module, *inputs: torch.Size | Sequence[int]) -> float:
    """PFLOP of one forward pass on tensors of these shapes."""
    with torch.device("meta"), torch.no_grad():
        network = network.to("meta").train()
        counter = FlopCounterMode(display=False)
        with counter:
            network(*(torch.empty(tuple(shape)) for shape in inputs))
    return counter.get_total_flops() / 1e15


def _cyclegan(settings: Params, size: DataSize) -> float:
    one = settings.translation.cyclegan
    shape = (one.batch_size, 1, *(one.crop_yx or (settings.standardise.crop_xy_px,) * 2))
    generator = _forward(Generator(one.generator_width, one.residual_blocks, one.generator_halvings), shape)
    discriminator = _forward(Discriminator(one.discriminator_width, one.discriminator_layers), shape)
    # Each way there and back; with the identity term each way once more. The discriminators see fakes, then both.
    generators = 4 + (2 if one.identity_weight > 0 else 0)
    step = _TRAINED * (generators * generator + (2 + 4) * discriminator)
    centres = 1.0 if settings.translation.centre == "both" else 0.5
    steps = one.steps_per_epoch or size.source * centres * size.slices / one.batch_size
    return (one.epochs + one.decay_epochs) * steps * step


def _singan(settings: Params, size: DataSize) -> float:
    one, crop = settings.augmentation.singan, settings.standardise.crop_xy_px
    pyramid = trained_pyramid((crop, crop), one, largest_k_star(settings.augmentation.rules))
    uses = one.sample_uses if one.mode == "fast" else 1
    total, below = 0.0, 0.0
    for scale, shape in enumerate(pyramid.sizes):
        network = SinGANGenerator(pyramid.channels(scale, one.width, one.max_width))
        once = _forward(network, (1, 1, *shape), (1, 1, *shape))  # the discriminator has the same layers
        sample = below / uses
        discriminate = sample + once * (1 + 2 * _TRAINED + _PENALISED)
        generate = sample + once * (2 * _TRAINED + _TRAINED)
        total += one.iterations * (one.discriminator_steps * discriminate + one.generator_steps * generate)
        below += once
    return total * (size.source if one.image == "pseudo_target" else 1)


def _there_and_back(settings: Params) -> float:
    """PFLOP of translating a slice, and back for the check."""
    one, crop = settings.translation.cyclegan, settings.standardise.crop_xy_px
    generator = Generator(one.generator_width, one.residual_blocks, one.generator_halvings)
    return 2 * _forward(generator, (1, 1, crop, crop))


def _patch(settings: Params) -> tuple[float, int]:
    """PFLOP of a forward pass of nnU-Net on a batch of patches, and the voxels of that batch."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    network = settings.segmentation.network
    features = network.features or _PLANNED_FEATURES
    convolutions = network.convs_per_stage or _PLANNED_CONVS
    patch = network.patch_size_zyx or _PLANNED_PATCH
    # An axis of less than 8 voxels is halved no more, as nnU-Net plans it.
    strides = [
        [1 if stage == 0 or edge // 2 ** (stage - 1) < 8 else 2 for edge in patch] for stage in range(len(features))
    ]
    plain = PlainConvUNet(
        1, len(features), features, nn.Conv3d, 3, strides, convolutions, 2, convolutions, conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"affine": True}, nonlin=nn.LeakyReLU, deep_supervision=True,
    )  # fmt: skip
    batch = network.batch_size or _PLANNED_BATCH
    return _forward(plain, (batch, 1, *patch)), batch * math.prod(patch)


def _passes(settings: Params) -> float:
    """Passes over every voxel when a case is segmented: overlapping tiles, mirrored or not."""
    prediction = settings.segmentation.prediction
    return (1.0 / prediction.tile_step) ** 3 * (8 if prediction.mirroring else 1)
