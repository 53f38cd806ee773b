"""The work of every stage, counted from params.yaml and the size of the data set.

Networks are counted in floating-point operations of convolutions (`passes`); steps that read and resample in voxels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gbaseg.augmentation.settings import largest_k_star
from gbaseg.augmentation.singan.pyramid import trained_pyramid
from gbaseg.cost import passes
from gbaseg.cost.counted import DataSize
from gbaseg.cost.networks import PLANNED_BATCH, PLANNED_CONVS, PLANNED_FEATURES, PLANNED_PATCH
from gbaseg.params import Params

# A training step's backward pass takes twice its forward pass: gradients of inputs and of weights.
_TRAINED = 3.0
# Backward through a gradient: forward, its gradient, and the gradient of both.
_PENALISED = 6.0
# An axis of less voxels is halved no more, as nnU-Net plans it.
_SHORTEST_AXIS = 8
_PETA = 1e15

Unit = Literal["PFLOP", "Gvoxel"]


@dataclass(frozen=True)
class Work:
    """Of one stage; `kind` says which measured speed applies to it.

    Args:
        steps: training steps, or passes of a network, that the amount is done in: on a GPU each takes time of its own,
            however little is computed; 0 where that is next to nothing.
    """

    stage: str
    kind: str
    amount: float
    unit: Unit
    steps: float = 0.0


def count_work(settings: Params, size: DataSize) -> list[Work]:
    """The stages that take time, in the order of the pipeline."""
    crop = settings.standardise.crop_xy_px
    voxels = size.slices * crop**2 / 1e9  # of a case on the standard grid, Gvoxel
    cases = size.source + size.target + size.held_out
    segmentation = settings.segmentation
    finer = voxels_of_finer_grid(settings)
    work = [Work("standardise", "standardise", (cases + finer * (size.target + size.held_out)) * voxels, "Gvoxel")]
    patch, patch_voxels, batch = _patch(settings)
    epoch = _Steps(segmentation.iterations_per_epoch, _TRAINED * patch)
    # Predicted by one network, patch after patch.
    a_case = _Steps(voxels * 1e9 / patch_voxels * batch * _passes(settings), patch / batch)
    auto = settings.translation.auto
    if "cyclegan" in settings.translation.modes:
        runs = auto.cyclegan_runs if settings.translation.mode == "auto" else 1
        work.append(_cyclegan(settings, size).times(runs).work("train_translation", "cyclegan"))
    if settings.translation.mode == "auto":
        networks = len(auto.tried) * auto.seeds
        labelled = a_case.times(2 * size.target)  # as it is, and disturbed
        trained = epoch.times(auto.epochs)
        # Passes are a small part of it.
        both = trained.amount + labelled.amount
        work.append(Work("choose_translation", "nnunet", networks * both, "PFLOP", networks * trained.steps))
    if "cyclegan" in settings.translation.modes:
        there_and_back = size.source * size.slices * _there_and_back(settings)
        work.append(Work("translate", "translate", there_and_back, "PFLOP"))
    predict = a_case.times(size.target + size.held_out)
    work += [
        epoch.times(settings.survey.epochs).work("survey", "nnunet"),
        predict.work("pseudo_label survey", "predict"),
    ]
    copies, drawn = size.copies * size.source, settings.augmentation.drawn_share
    if settings.augmentation.arm == "gba":
        work.append(_singan(settings, size).work("train_singan", "singan"))
    if settings.augmentation.makes_copies:
        work.append(Work("augment", "augment", (1.0 - drawn) * copies * voxels, "Gvoxel"))
    for item in settings.self_training.rounds:
        if settings.augmentation.makes_copies and drawn:
            work.append(Work(f"adapt {item.id}", "augment", drawn * copies * voxels, "Gvoxel"))
        epochs = segmentation.last_round_epochs if item.last else segmentation.epochs
        grid = finer if item.last and settings.self_training.last_round_fine_grid else 1.0
        work += [
            # Its patches have the same millimetres.
            epoch.times(segmentation.networks * epochs).work(f"train {item.id}", "nnunet", larger=grid),
            predict.times(segmentation.networks).work(f"pseudo_label {item.id}", "predict", larger=grid),
        ]
    return work


def voxels_of_finer_grid(settings: Params) -> float:
    """Voxels of the finer grid for one of the standard grid; 0 where there is none."""
    fine = settings.standardise.fine_spacing_xyz_mm
    return math.prod(settings.standardise.spacing_xyz_mm) / math.prod(fine) if fine else 0.0


@dataclass(frozen=True)
class _Steps:
    """So many steps, each of so many PFLOP."""

    steps: float
    each: float

    @property
    def amount(self) -> float:
        return self.steps * self.each

    def times(self, count: float) -> _Steps:
        return _Steps(count * self.steps, self.each)

    def work(self, stage: str, kind: str, larger: float = 1.0) -> Work:
        """As that of a stage, on patches so many times as large."""
        return Work(stage, kind, larger * self.amount, "PFLOP", self.steps)


def _cyclegan(settings: Params, size: DataSize) -> _Steps:
    one = settings.translation.cyclegan
    shape = one.crop_yx or (settings.standardise.crop_xy_px,) * 2
    widths = one.generator_width, one.residual_blocks, one.generator_halvings
    generator = passes.generator(one.batch_size, shape, *widths)
    discriminator = passes.discriminator(one.batch_size, shape, one.discriminator_width, one.discriminator_layers)
    # Each way there and back; with the identity term each way once more. The discriminators see fakes, then both.
    generators = 4 + (2 if one.identity_weight > 0 else 0)
    step = _TRAINED * (generators * generator + (2 + 4) * discriminator)
    centres = 1.0 if settings.translation.centre == "both" else 0.5
    steps = one.steps_per_epoch or max(size.source, size.target) * centres * size.slices / one.batch_size
    return _Steps((one.epochs + one.decay_epochs) * steps, step / _PETA)


def _singan(settings: Params, size: DataSize) -> _Steps:
    one, crop = settings.augmentation.singan, settings.standardise.crop_xy_px
    pyramid = trained_pyramid((crop, crop), one, largest_k_star(settings.augmentation.rules))
    uses = one.sample_uses if one.mode == "fast" else 1
    total, below = 0.0, 0.0
    for scale, shape in enumerate(pyramid.sizes):
        once = passes.singan(shape, pyramid.channels(scale, one.width, one.max_width))
        sample = below / uses
        discriminate = sample + once * (1 + 2 * _TRAINED + _PENALISED)
        generate = sample + once * (2 * _TRAINED + _TRAINED)
        total += one.iterations * (one.discriminator_steps * discriminate + one.generator_steps * generate)
        below += once
    images = size.source if one.image == "pseudo_target" else 1
    iterations = one.iterations * len(pyramid.sizes)
    return _Steps(images * iterations, total / iterations / _PETA)


def _there_and_back(settings: Params) -> float:
    """PFLOP of translating a slice, and back for the check."""
    one, crop = settings.translation.cyclegan, settings.standardise.crop_xy_px
    widths = one.generator_width, one.residual_blocks, one.generator_halvings
    return 2 * passes.generator(1, (crop, crop), *widths) / _PETA


def _patch(settings: Params) -> tuple[float, int, int]:
    """PFLOP of a forward pass of nnU-Net on a batch of patches, the voxels of that batch, and its patches."""
    network = settings.segmentation.network
    features = network.features or PLANNED_FEATURES
    patch = network.patch_size_zyx or PLANNED_PATCH
    batch = network.batch_size or PLANNED_BATCH
    # Of two classes, however many there are: of its work the last layer is next to nothing.
    operations = passes.unet(batch, patch, features, network.convs_per_stage or PLANNED_CONVS, 2, _SHORTEST_AXIS)
    return operations / _PETA, batch * math.prod(patch), batch


def _passes(settings: Params) -> float:
    """Passes over every voxel when a case is segmented: overlapping tiles, mirrored or not."""
    prediction, mirrored = settings.segmentation.prediction, settings.segmentation.network.mirrored
    axes = 3 if mirrored is None else len(mirrored)
    return (1.0 / prediction.tile_step) ** 3 * (2**axes if prediction.mirroring else 1)
