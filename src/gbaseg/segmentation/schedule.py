"""A learning rate for short trainings: up within their first fifth, and down to nothing (Smith & Topin, 2019)."""

from __future__ import annotations

import math

import torch

_RISE = 0.2  # of the training
_START = 0.1  # of the highest rate


def one_cycle(done: float) -> float:
    """Share of the highest learning rate.

    Args:
        done: share of the training that lies behind, 0 to 1.
    """
    if done < _RISE:
        return _START + (1.0 - _START) * done / _RISE
    return 0.5 * (1.0 + math.cos(math.pi * (done - _RISE) / (1.0 - _RISE)))


class OneCycle:
    """In the place of nnU-Net's scheduler, which goes from epoch to epoch; of these a short training has few."""

    def __init__(self, optimiser: torch.optim.Optimizer, highest: float, epochs: int) -> None:
        self._optimiser, self._highest, self._epochs = optimiser, highest, epochs

    def step(self, epoch: float) -> None:
        """Set the rate for what comes.

        Args:
            epoch: epochs that lie behind, with the part of the present one.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = self._highest * one_cycle(epoch / self._epochs)
