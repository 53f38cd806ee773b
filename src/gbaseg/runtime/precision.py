"""How convolutions are computed: in half the width where a device has it, in full where that is asked for, and in the
memory layout that a processor is fast in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from gbaseg.runtime.device import has_amx, has_bfloat16

# Of maps of one or two slices oneDNN (in torch 2.13) gives gradients, and values, of convolutions of three in bfloat16
# that are not the convolution's: memory that nobody has written, at times NaN.
_THIN = 3


def short_float(device: torch.device) -> torch.dtype:
    """bfloat16 on a device that multiplies it by itself; without the instructions it would be slower than float32."""
    if device.type == "cuda":
        # The question is about the current device.
        with torch.cuda.device(device):
            helps = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        helps = has_bfloat16()
    return torch.bfloat16 if helps else torch.float32


def in_bfloat16(device: torch.device) -> AbstractContextManager[Any]:
    """Forward passes inside compute their convolutions in bfloat16 on a device that has it; elsewhere nothing changes.

    Weights, and so gradients and optimisers, stay float32; results are to be made float32 by the caller.
    """
    width = short_float(device)
    return nullcontext() if width == torch.float32 else torch.autocast(device.type, width)


def in_float32(device: torch.device) -> AbstractContextManager[Any]:
    """Convolutions inside are in true float32: a GPU shortens their factors to 19 bits (TF32) unless told not to."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()


def suit(network: nn.Module, device: torch.device) -> None:
    """Let a 3D network compute as the processor does it fastest wherever it is called.

    On a processor: in bfloat16 where it has that, see `in_bfloat16`, and with a voxel's channels side by side, which
    torch's convolutions take half the time for. On a GPU nnU-Net's own trainer and predictor see to the width.

    With AMX what is trained is in float32: oneDNN (3.2 to 3.13; 3.12 is in torch 2.13) lays out the rows of a 3D
    convolution in more memory than it has taken, where it computes its weights' gradients from maps of which the rows
    of a slice do not all fit into its cache (8 slices of 96 x 96, one of 64 x 64 with 64 channels). The process ends in
    "double free or corruption", or it goes on with wrong gradients. Without AMX (ONEDNN_MAX_CPU_ISA) bfloat16 takes
    longer than float32 there.

    Args:
        network: nnU-Net's; its `forward` and its norms' are replaced, its weights and their names are not.
        device: where it runs.
    """
    if device.type != "cpu":
        return
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm3d):
            module.forward = partial(_normalised, module)  # type: ignore[method-assign]
    forward, amx = network.forward, has_amx()

    def forward_as_suits(images: torch.Tensor) -> Any:
        thin = min(images.shape[2:]) < _THIN
        with nullcontext() if thin or (amx and torch.is_grad_enabled()) else in_bfloat16(device):
            scales = forward(images)
        # One map, or one a resolution for deep supervision.
        return scales.float() if isinstance(scales, torch.Tensor) else [scale.float() for scale in scales]

    network.forward = forward_as_suits  # type: ignore[method-assign]


def _normalised(norm: nn.InstanceNorm3d, maps: torch.Tensor) -> torch.Tensor:
    """What a norm gives, channels side by side. torch has it for channels one after the other alone, and hands those on
    to the convolution behind it; two copies take less time than that."""
    out = functional.instance_norm(maps.contiguous(), None, None, norm.weight, norm.bias, eps=norm.eps)
    return out.contiguous(memory_format=torch.channels_last_3d)
