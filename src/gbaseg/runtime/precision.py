"""The width in which convolutions are computed: half where a device has it, full where that is asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from gbaseg.runtime.device import has_bfloat16


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


def use_bfloat16(network: nn.Module, device: torch.device) -> None:
    """Let a 3D network compute in bfloat16 wherever it is called, see `in_bfloat16`.

    On a GPU nnU-Net's own trainer and predictor do the same.

    Args:
        network: nnU-Net's; its `forward` is replaced, its weights and their names are not.
        device: where it runs.
    """
    if device.type != "cpu" or not has_bfloat16():
        return
    forward = network.forward

    def forward_in_bfloat16(images: torch.Tensor) -> Any:
        with in_bfloat16(device):
            scales = forward(images.contiguous(memory_format=torch.channels_last_3d))
        # One map, or one a resolution for deep supervision.
        return scales.float() if isinstance(scales, torch.Tensor) else [scale.float() for scale in scales]

    network.forward = forward_in_bfloat16  # type: ignore[method-assign]
