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
# Our own word in a configuration: axes of a patch that may be mirrored. The model keeps it, for prediction.
MIRRORED = "mirrored_axes"
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


def mirrored_axes(plans: dict) -> tuple[int, ...]:
    """Axes of a patch along which it may be mirrored: all, as nnU-Net does, where the plans do not say."""
    return tuple(plans["configurations"][CONFIGURATION].get(MIRRORED, (0, 1, 2)))


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
    configurations = plans["configurations"]
    # For images of one slice nnU-Net plans nothing in 3D.
    configuration = configurations.get(CONFIGURATION) or _of_one_slice(configurations["2d"])
    plans["configurations"] = {CONFIGURATION: configuration}  # no 2D, no low-resolution stage: never trained here
    configuration["spacing"] = [float(spacing_zyx_mm[axis]) for axis in forward]
    if network.batch_size is not None:
        configuration["batch_size"] = network.batch_size
    if network.mirrored is not None:
        configuration[MIRRORED] = sorted(forward.index("zyx".index(axis)) for axis in network.mirrored)
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


def _of_one_slice(planned: dict) -> dict:
    """nnU-Net's 2d configuration as one in 3D, whose patches and kernels are one slice thick: the same network."""
    configuration = copy.deepcopy(planned)
    configuration["data_identifier"] = f"{PLANS_NAME}_{CONFIGURATION}"
    for name in ("patch_size", "median_image_size_in_voxels"):
        configuration[name] = [1, *configuration[name]]
    architecture = configuration["architecture"]["arch_kwargs"]
    for name in ("strides", "kernel_sizes"):
        architecture[name] = [[1, *along] for along in architecture[name]]
    for name in ("conv_op", "norm_op"):
        architecture[name] = architecture[name].removesuffix("2d") + "3d"
    return configuration


def padded_slices(plans: dict) -> str:
    """A warning where most of a patch's slices are padding, by the median of the set; empty where they are not."""
    configuration, across = plans["configurations"][CONFIGURATION], plans["transpose_forward"].index(0)
    patch, slices = (int(configuration[name][across]) for name in ("patch_size", "median_image_size_in_voxels"))
    if patch < 2 * slices:
        return ""
    return (
        f"segmentation.network.patch_size_zyx: of a patch's {patch} slices the median image has {slices}, the rest is "
        f"padding; {slices} slices, or null, train on the image alone"
    )


def _topology(patch: list[int], spacing: list[float], stages: int) -> tuple[list[list[int]], list[list[int]]]:
    """Strides and kernels of each stage, by nnU-Net's rules: an axis twice as coarse as the finest is not pooled nor
    convolved yet. What cannot be pooled any more holds no other axis back, and what was convolved once always is."""
    strides, kernels = [[1, 1, 1]], []
    size, voxel, convolved = list(patch), list(spacing), [False] * 3
    for stage in range(stages):
        fine = [step <= 2 * min(voxel) + 1e-6 for step in voxel]
        # Beside a single slice there is nothing to see.
        convolved = [edge > 1 and (before or now) for edge, before, now in zip(patch, convolved, fine, strict=True)]
        kernels.append([3 if is_convolved else 1 for is_convolved in convolved])
        if stage == stages - 1:
            break
        even = [edge >= 8 and edge % 2 == 0 for edge in size]
        finest = min((step for step, can in zip(voxel, even, strict=True) if can), default=0.0)
        stride = [2 if can and step <= 2 * finest + 1e-6 else 1 for can, step in zip(even, voxel, strict=True)]
        if stride == [1, 1, 1]:
            raise UserError(
                f"segmentation.network: a patch of {tuple(patch)} voxels allows {stage + 1} stages, features names "
                f"{stages}; take a larger or a more even patch, or fewer features"
            )
        strides.append(stride)
        size = [edge // step for edge, step in zip(size, stride, strict=True)]
        voxel = [edge * step for edge, step in zip(voxel, stride, strict=True)]
    return strides, kernels
