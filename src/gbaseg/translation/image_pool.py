"""Earlier translations that the discriminators see again."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """Earlier translations that the discriminator is shown again, so that it does not forget (official code).

    Until it is full, the pool takes every image and hands it on. Then it hands on, with probability 1/2, an
    older image and takes the new one in its place.
    """

    def __init__(self, size: int, images: list[Tensor] | None = None) -> None:
        self.size = size
        self.images = list(images or [])

    def exchange(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """(B, 1, H, W) new translations -> as many, some of them old."""
        if self.size == 0:
            return images
        handed_on = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image.clone())
                handed_on.append(image)
            elif rng.random() < 0.5:
                place = int(rng.integers(self.size))
                handed_on.append(self.images[place])
                self.images[place] = image.clone()
            else:
                handed_on.append(image)
        return torch.stack(handed_on)
