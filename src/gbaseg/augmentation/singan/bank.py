"""Several SinGANs of one size side by side: one network with a group of channels for each, none of which sees another.

Images are (N, M, H, W), M models. The kernels of one small model leave a device idle; those of M do M times the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from gbaseg.augmentation.singan.networks import Discriminator, Generator

Network = TypeVar("Network", Generator, Discriminator)


def side_by_side(networks: Sequence[Network]) -> Network:
    """One network that does to channel m of its images what `networks[m]` does to its own; its weights are copies."""
    one = networks[0]
    whole = type(one)(one.width, len(networks)).to(next(one.parameters()))
    states = [network.state_dict() for network in networks]
    # A scalar counts batches: all have seen as many.
    whole.load_state_dict(
        {
            name: torch.cat([state[name] for state in states]) if value.dim() else value
            for name, value in one.state_dict().items()
        }
    )
    return whole


def take_apart(whole: Network, networks: Sequence[Network]) -> None:
    """Give each of `networks` its weights and statistics back."""
    state = whole.state_dict()
    for place, network in enumerate(networks):
        network.load_state_dict(
            {name: value.chunk(len(networks))[place] if value.dim() else value for name, value in state.items()}
        )


def mean_of_each(values: Tensor) -> Tensor:
    """(N, M, H, W) to (M): a model's mean is its own."""
    return values.mean((0, 2, 3))


def share_of_each(values: Tensor) -> float:
    """What one value adds to `mean_of_each` of its model: 1 / (N H W)."""
    return values.shape[1] / values.numel()
