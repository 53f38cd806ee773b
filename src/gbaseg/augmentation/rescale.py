"""Naive rescaling (Eq. 5)."""

from __future__ import annotations

import numpy as np


def rescale(image: np.ndarray, mask: np.ndarray, factor: float) -> np.ndarray:
    """x_lambda = lambda x inside the mask, x outside; clipped to [0, 1] inside (Eq. 5).

    Args:
        image: (..., Y, X), intensities in [0, 1]. (On [-1, 1] the same would read lambda x + lambda - 1.)
        mask: same shape; non-zero inside.
        factor: lambda, > 0.

    Returns:
        A new float32 array; voxels outside the mask are those of `image`, bit for bit.

    Raises:
        ValueError: shapes differ or the factor is not positive.
    """
    if image.shape != mask.shape:
        raise ValueError(f"image of shape {image.shape} with a mask of shape {mask.shape}")
    if not factor > 0:
        raise ValueError(f"lambda must be positive, found {factor}")
    image = image.astype(np.float32, copy=False)
    return np.where(mask != 0, np.clip(image * np.float32(factor), 0.0, 1.0), image)
