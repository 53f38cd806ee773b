"""The random images of the scales below that a scale is trained on, one a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

# (count) -> that many new random images (count, 1, h, w) at the size of the scale that is trained.
Sample = Callable[[int], Tensor]
# Images drawn at a time: more need more memory, fewer leave cores or a GPU idle.
_BLOCK = 32


class Priors(Protocol):
    """Where the images come from."""

    def fill(self, images: Tensor) -> None:
        """Write the next steps' images into `images`, (steps, 1, h, w)."""


class Serial:
    """A new image for every step, through all frozen scales, as the algorithm reads."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def fill(self, images: Tensor) -> None:
        for place in range(len(images)):
            images[place : place + 1] = self._sample(1)


class Pool:
    """Images drawn many at a time, each for several steps, in random order.

    The frozen scales do not change while a scale is trained, so an image drawn early is as good as one drawn late;
    and each step adds noise of its own. What is lost is that an image comes again, a few hundred steps apart at most.
    """

    def __init__(self, sample: Sample, uses: int, steps: int, draw: torch.Generator) -> None:
        """
        Args:
            sample: draws images.
            uses: steps that each image is for.
            steps: steps there will be; no more images are drawn than they need.
            draw: for the order.
        """
        self._sample, self._uses, self._draw = sample, uses, draw
        self._block = min(_BLOCK, -(-steps // uses))
        self._images = torch.empty(0)
        # Of the steps still to come; on the images' device, so that a GPU is never waited for.
        self._order = torch.empty(0, dtype=torch.long, device=draw.device)

    def fill(self, images: Tensor) -> None:
        done = 0
        while done < len(images):
            if not len(self._order):
                self._images = self._sample(self._block)
                order = torch.randperm(self._block * self._uses, generator=self._draw, device=self._draw.device)
                self._order = order % self._block
            places, self._order = self._order[: len(images) - done], self._order[len(images) - done :]
            images[done : done + len(places)] = self._images.index_select(0, places)
            done += len(places)
