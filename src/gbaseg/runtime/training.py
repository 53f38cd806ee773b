"""What training a network of our own asks of a device: how its weights lie there, and an optimiser it can replay."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Adam, Optimizer


def place(network: nn.Module, device: torch.device, *, channels_last: bool) -> None:
    """Move a network of 2D convolutions to a device, in place, its weights in the order that images shall have."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(device, memory_format=layout)  # type: ignore[call-overload]


def adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> Optimizer:
    """Adam for a network that lies where it is trained; on a GPU its steps may be recorded (`graphs.Replayed`)."""
    parameters = list(network.parameters())
    device = parameters[0].device
    if device.type == "cuda":
        # A recording reads rate and step count from the GPU.
        return Adam(parameters, torch.tensor(rate, device=device), betas, foreach=True, capturable=True)
    return Adam(parameters, rate, betas, fused=True)


def set_rate(optimisers: Iterable[Optimizer], rate: float) -> None:
    """Give optimisers another learning rate, which a recording sees too."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
