"""A fold's weights in their file, and into a network."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from gbaseg.runtime.checkpoint import load_weights, not_fitting, save_weights


def save_network(network: nn.Module, path: Path) -> None:
    """Write a network's weights, whole or not at all; equal weights, equal bytes.

    Raises:
        UserError: weights that are not finite.
    """
    save_weights(_without_aliases(network.state_dict()), path)


def load_network(network: nn.Module, path: Path) -> None:
    """Give a network the weights of a file.

    Raises:
        UserError: the file is missing or damaged, of another network, or its weights are not finite.
    """
    tensors, _ = load_weights(path)
    if tensors.keys() != _without_aliases(network.state_dict()).keys():
        raise not_fitting(path, "its weights are not those of the network in plans.json")
    try:
        network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:  # of other sizes
        raise not_fitting(path, "its weights do not have the sizes that plans.json says") from error


def _without_aliases(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each tensor once: nnU-Net's encoder is a part of its decoder too, under a second name.

    Not safetensors' save_model: that notes the second names in the file's header, in no fixed order, and equal
    weights would not be equal files.
    """
    kept: dict[int, tuple[str, torch.Tensor]] = {}
    for name, tensor in sorted(state.items()):
        kept.setdefault(tensor.data_ptr(), (name, tensor))
    return dict(kept.values())
