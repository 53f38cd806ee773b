"""The cheapest translation: a source image's intensities, ordered as they are, are given the target's distribution.

It moves no contrast to its opposite and sees no anatomy: what a learnt translation has to beat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Quantiles that a distribution is known by: 0, 1/256, ..., 1.
_STEPS = 256


@dataclass(frozen=True)
class Histogram:
    """Mean quantiles of both domains' images inside the head, and the way between them.

    Args:
        source, target: (257,), rising, intensities in [0, 1].
    """

    source: np.ndarray
    target: np.ndarray

    def to_target(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """An image in [0, 1] with the target's distribution inside its mask, by the image's own quantiles.

        Outside of it, where air is as dark in either modality, nothing changes.
        """
        return _matched(image, mask, self.target)

    def to_source(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The way back."""
        return _matched(image, mask, self.source)


def quantiles_of(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(257,) quantiles of the voxels inside a mask; of all where it is empty."""
    values = image[mask] if mask.any() else image
    return np.quantile(values, np.linspace(0.0, 1.0, _STEPS + 1)).astype(np.float64)


def mean_quantiles(images: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(257,) of (image, mask) pairs: each quantile's mean, their barycentre by the Wasserstein distance."""
    return np.mean([quantiles_of(image, mask) for image, mask in images], axis=0)


def _matched(image: np.ndarray, mask: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    inside = mask if mask.any() else np.ones_like(mask)
    # Of equal quantiles the middle one: a share of the voxels has that very intensity.
    own, places = np.unique(quantiles_of(image, inside), return_inverse=True)
    values = np.bincount(places, wanted) / np.bincount(places)
    out = image.astype(np.float32)
    out[inside] = np.interp(image[inside], own, values)
    return out
