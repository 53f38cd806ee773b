"""Half-width convolutions on processors that have the instructions, as nnU-Net does on every GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gbaseg.runtime.device import has_bfloat16


def use_bfloat16(network: nn.Module, device: torch.device) -> None:
    """Let a network compute in bfloat16 on a CPU that has it; weights, loss and optimiser stay float32.

    On a GPU nnU-Net's own trainer and predictor do the same, and on a CPU without the instructions bfloat16 would be
    slower than float32: in both cases nothing changes here.

    Args:
        network: nnU-Net's; its `forward` is replaced, its weights and their names are not.
        device: where it runs.
    """
    if device.type != "cpu" or not has_bfloat16():
        return
    forward = network.forward

    def in_bfloat16(images: torch.Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            scales = forward(images.contiguous(memory_format=torch.channels_last_3d))
        # One map, or one a resolution for deep supervision.
        return scales.float() if isinstance(scales, torch.Tensor) else [scale.float() for scale in scales]

    network.forward = in_bfloat16  # type: ignore[method-assign]
