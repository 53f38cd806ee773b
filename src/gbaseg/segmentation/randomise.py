"""Contrast at random (`translation.mode: randomise`): a network that has seen every contrast depends on none.

In the manner of domain randomisation (Billot et al., SynthSeg, 2023), on real images in the place of synthetic ones:
whenever a case is drawn its intensities go through a random curve, rising or falling, and each structure's through
another, around a mean of its own. Anatomy, texture and noise stay, and air, which is dark in every modality.
"""

from __future__ import annotations

import numpy as np

# Of the voxels outside the head, as dark as which a voxel is air.
_AIR_PERCENT = 95.0
# A curve's knots; between them it is straight.
_KNOTS = 5


def curve(rng: np.random.RandomState) -> np.ndarray:
    """(5,) values of a curve on [0, 1] that rises, or as likely falls, from one end of the range to the other."""
    rising = np.concatenate([[0.0], np.cumsum(rng.exponential(size=_KNOTS - 1))])
    rising /= rising[-1]
    return rising if rng.random_sample() < 0.5 else 1.0 - rising


def air_level(image: np.ndarray, head: np.ndarray) -> float:
    """Intensity up to which a voxel is air; under 0 where the head fills the image.

    Args:
        image: intensities in [0, 1].
        head: True inside, see `standardise.intensity.foreground`.
    """
    outside = image[~head]
    return float(np.percentile(outside, _AIR_PERCENT)) if outside.size else -1.0


def randomised(image: np.ndarray, label: np.ndarray, air: float, rng: np.random.RandomState) -> np.ndarray:
    """An image with other contrasts.

    Args:
        image: intensities in [0, 1].
        label: same shape, integers, above 0 in structures.
        air: see `air_level`.
        rng: is drawn from.

    Returns:
        float32 in [0, 1].
    """
    knots = np.linspace(0.0, 1.0, _KNOTS)
    out = np.where(image <= air, image, np.interp(image, knots, curve(rng)))
    for value in np.unique(label[label > 0]):
        inside = label == value
        values = np.interp(image[inside], knots, curve(rng))
        out[inside] = np.clip(values - values.mean() + rng.random_sample(), 0.0, 1.0)
    return out.astype(np.float32)
