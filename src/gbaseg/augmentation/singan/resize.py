"""Resizing between scales: antialiased bicubic."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(images: Tensor, size: tuple[int, int], eight_bit: bool = False) -> Tensor:
    """Resize images by antialiased bicubic interpolation (a = -0.5), pixel centres aligned.

    Args:
        images: (N, C, H, W), in [-1, 1] or slightly beyond.
        size: (H, W) wanted.
        eight_bit: as the original code, whose resize goes through unsigned bytes: clipped to [-1, 1] and truncated
            to 256 levels before, clipped after. Off, values stay as they are (cubic overshoot included).

    Returns:
        (N, C, *size), float.
    """
    if tuple(images.shape[-2:]) == tuple(size):
        # The original rounds here, too: its resize by a factor of 1 is a resize.
        return _to_levels(images) if eight_bit else images
    if eight_bit:
        images = _to_levels(images)
    resized = F.interpolate(images, size=size, mode="bicubic", align_corners=False, antialias=True)
    return resized.clamp(-1.0, 1.0) if eight_bit else resized


def _to_levels(images: Tensor) -> Tensor:
    # A hair is added, so that values that are levels already stay so: 254.99998 would be truncated to 254.
    return torch.floor((images.clamp(-1.0, 1.0) + 1.0) * 127.5 + 1e-3) / 127.5 - 1.0
