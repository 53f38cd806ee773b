"""nnU-Net's plans, with the numbers of params.yaml in the place of what the planner chose."""

from __future__ import annotations

import copy
import json
import math
import re
from pathlib import Path

from gbaseg.errors import UserError
from gbaseg.segmentation.settings import NetworkSettings

CONFIGURATION = "3d_fullres"
PLANS_NAME = "nnUNetPlans"
# nnU-Net imports and calls whatever its plans name: the network, and the layers it is built of.
_NETWORK = re.compile(r"dynamic_network_architectures\.architectures\.\w+\.[A-Z]\w*")
_LAYER = re.compile(r"torch\.nn\.(modules\.\w+\.)?[A-Z]\w*")


def read_plans(path: Path) -> dict:
    """Plans as they were written for a training.

    Raises:
        UserError: they are no plans of a network of nnU-Net's.
    """
    try:
        plans: dict = json.loads(path.read_text(encoding="utf-8"))
        architecture = plans["configurations"][CONFIGURATION]["architecture"]
        arguments, imported = architecture["arch_kwargs"], architecture["_kw_requires_import"]
        named = [(architecture["network_class_name"], _NETWORK), *((arguments[key], _LAYER) for key in imported)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no plans of nnU-Net ({type(error).__name__}: {error})") from error
    faults = [
        f"{path}: {name!r} is to be imported; allowed: {allowed.pattern}"
        for name, allowed in named
        if name is not None and not allowed.fullmatch(str(name))
    ]
    if faults:
        raise UserError("\n".join(faults))
    return plans


def at_spacing(plans: dict, spacing_zyx_mm: tuple[float, float, float]) -> dict:
    """A copy of an earlier round's plans at another spacing.

    The network stays, so that its weights still fit. The patch keeps its millimetres: as many voxels as come nearest to
    them, in steps that the network can halve.
    """
    plans = copy.deepcopy(plans)
    configuration = plans["configurations"][CONFIGURATION]
    before, spacing = configuration["spacing"], [float(spacing_zyx_mm[axis]) for axis in plans["transpose_forward"]]
    strides = configuration["architecture"]["arch_kwargs"]["strides"]
    steps = [math.prod(along) for along in zip(*strides, strict=True)]
    configuration["patch_size"] = [
        max(1, round(edge * was / now / step)) * step
        for edge, was, now, step in zip(configuration["patch_size"], before, spacing, steps, strict=True)
    ]
    configuration["spacing"] = spacing
    return plans


def adapt_plans(plans: dict, network: NetworkSettings, spacing_zyx_mm: tuple[float, float, float]) -> dict:
    """A copy of the plans for one configuration, with another spacing, patch, batch and width.

    Args:
        plans: as nnU-Net's planner returns them.
        network: what to set; `None` leaves the planner's choice.
        spacing_zyx_mm: target spacing, in the order of the scan's axes.

    Raises:
        UserError: the patch cannot be halved as often as the stages ask for.
    """
    plans, forward = copy.deepcopy(plans), plans["transpose_forward"]
    configuration = plans["configurations"][CONFIGURATION]
    plans["configurations"] = {CONFIGURATION: configuration}  # no 2D, no low-resolution stage: never trained here
    configuration["spacing"] = [float(spacing_zyx_mm[axis]) for axis in forward]
    if network.batch_size is not None:
        configuration["batch_size"] = network.batch_size
    architecture = configuration["architecture"]["arch_kwargs"]
    patch = [int(edge) for edge in configuration["patch_size"]]
    if network.patch_size_zyx is not None:
        patch = [network.patch_size_zyx[axis] for axis in forward]
        configuration["patch_size"] = patch
    if network.patch_size_zyx is not None or network.features is not None:
        stages = len(network.features or architecture["features_per_stage"])
        strides, kernels = _topology(patch, configuration["spacing"], stages)
        architecture.update(
            n_stages=stages,
            strides=strides,
            kernel_sizes=kernels,
            features_per_stage=list(network.features or architecture["features_per_stage"]),
            n_conv_per_stage=[2] * stages,
            n_conv_per_stage_decoder=[2] * (stages - 1),
        )
    if network.convs_per_stage is not None:
        stages = architecture["n_stages"]
        architecture["n_conv_per_stage"] = [network.convs_per_stage] * stages
        architecture["n_conv_per_stage_decoder"] = [network.convs_per_stage] * (stages - 1)
    return plans


def _topology(patch: list[int], spacing: list[float], stages: int) -> tuple[list[list[int]], list[list[int]]]:
    """Strides and kernels of each stage: an axis twice as coarse as the finest is not pooled nor convolved yet."""
    strides, kernels = [[1, 1, 1]], []
    size, voxel = list(patch), list(spacing)
    for stage in range(stages):
        fine = [step <= 2 * min(voxel) + 1e-6 for step in voxel]
        kernels.append([3 if is_fine else 1 for is_fine in fine])
        if stage == stages - 1:
            break
        stride = [2 if is_fine and edge >= 8 and edge % 2 == 0 else 1 for is_fine, edge in zip(fine, size, strict=True)]
        if stride == [1, 1, 1]:
            raise UserError(
                f"segmentation.network: a patch of {tuple(patch)} voxels allows {stage + 1} stages, features names "
                f"{stages}; take a larger or a more even patch, or fewer features"
            )
        strides.append(stride)
        size = [edge // step for edge, step in zip(size, stride, strict=True)]
        voxel = [edge * step for edge, step in zip(voxel, stride, strict=True)]
    return strides, kernels
