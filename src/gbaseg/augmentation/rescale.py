"""Rescaling of a structure's intensities (Eq. 5), and its generalisation by an offset."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Change(NamedTuple):
    """x -> factor x + offset inside a structure.

    Eq. 5 has a positive factor, lambda, and no offset. With both a structure can be given any contrast against what
    surrounds it, the opposite one too (`adaptive`), which a factor on intensities alone cannot.
    """

    factor: float
    offset: float = 0.0


def rescale(image: np.ndarray, mask: np.ndarray, factor: float, offset: float = 0.0) -> np.ndarray:
    """x_lambda = lambda x inside the mask, x outside; clipped to [0, 1] inside (Eq. 5; with an offset: ours).

    Args:
        image: (..., Y, X), intensities in [0, 1]. (On [-1, 1] the same would read lambda x + lambda - 1.)
        mask: same shape; non-zero inside.
        factor: lambda, > 0; with an offset any number but 0.
        offset: added inside.

    Returns:
        A new float32 array; voxels outside the mask are those of `image`, bit for bit.

    Raises:
        ValueError: shapes differ, or the factor is not allowed.
    """
    if image.shape != mask.shape:
        raise ValueError(f"image of shape {image.shape} with a mask of shape {mask.shape}")
    if not (factor > 0 or (offset and factor < 0)):
        raise ValueError(f"lambda must be positive, found {factor}")
    image = image.astype(np.float32, copy=False)
    return np.where(mask != 0, np.clip(image * np.float32(factor) + np.float32(offset), 0.0, 1.0), image)
