"""A training that has diverged stops, and says what became of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from gbaseg.errors import UserError, some_of

# On [-1, 1]: what varies by less shows nothing.
_FLAT, _CONTRAST = 1e-6, 0.2


def broken_losses(losses: Mapping[str, float]) -> list[str]:
    """Which losses are not finite, for a message."""
    return [f"loss {name} is {value}" for name, value in losses.items() if not math.isfinite(value)]


def is_flattened(image: Tensor, made_from: Tensor) -> bool:
    """Whether a network makes a constant image, on [-1, 1], where it is asked for one with contrast.

    Saturated networks do: without a gradient they never come out of it.
    """
    contrast, left = (float(each.amax() - each.amin()) for each in (made_from, image))
    return contrast > _CONTRAST and left < _FLAT


def not_finite(named: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold a NaN or an infinite value."""
    floats = {name: tensor for name, tensor in named.items() if tensor.is_floating_point()}
    finite = [torch.isfinite(tensor).all() for tensor in floats.values()]
    # One answer from the device, not one a tensor.
    if not finite or bool(torch.stack(finite).all()):
        return []
    return [name for name, good in zip(floats, finite, strict=True) if not bool(good)]


def diverged(name: str, found: list[str], when: str, rate: float, key: str, kept: str) -> UserError:
    """The error for a training that cannot go on.

    Args:
        name: of the training.
        found: what is wrong.
        when: epoch, or scale and iteration.
        rate: learning rate at that time.
        key: of the learning rate in params.yaml.
        kept: the last good checkpoint, in words; empty where there is none.
    """
    left = f"kept, and gone on from by the same command: {kept}" if kept else "nothing good was kept of it yet"
    return UserError(
        f"{name}: {some_of(found, 3)} in {when}, at a learning rate of {rate:g}: the training has diverged "
        f"and stops. Lower {key} in params.yaml; {left}"
    )
