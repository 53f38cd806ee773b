"""Translate volumes slice by slice with a trained generator."""

from __future__ import annotations

import numpy as np
import torch

from gbaseg.translation.networks import Generator, from_network, to_network


@torch.no_grad()
def translate_volume(generator: Generator, array: np.ndarray, device: torch.device, batch: int = 8) -> np.ndarray:
    """Translate every slice.

    Args:
        generator: on `device`.
        array: (Z, Y, X), intensities in [0, 1]; any Y and X.
        device: where to compute.
        batch: slices at a time; changes memory and speed, not the result beyond rounding.

    Returns:
        (Z, Y, X) float32 in [0, 1].
    """
    was_training = generator.training
    generator.eval()
    slices = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))[:, None]
    out = torch.empty_like(slices)
    for start in range(0, len(slices), batch):
        part = slice(start, start + batch)
        out[part] = from_network(generator(to_network(slices[part].to(device)))).to(out.device)
    generator.train(was_training)
    return out[:, 0].clamp_(0.0, 1.0).numpy()
