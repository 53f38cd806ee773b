"""The target's own texture in a structure: random-phase noise with the spectrum of what the target shows there.

Galerne, Gousseau and Morel (Random phase textures, IEEE TIP 2011): white noise that is convolved with a sample less its
mean, over the root of its number of voxels, has the sample's covariance, in any shape and without its seams.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from scipy.signal import fftconvolve


class Sample(NamedTuple):
    """A structure as a target image shows it.

    Args:
        values: (Z, Y, X), the box around it, less its mean; 0 outside of it.
        voxels: of the structure.
    """

    values: np.ndarray
    voxels: int


def sample_of(image: np.ndarray, mask: np.ndarray) -> Sample | None:
    """What can be taken of a target image; `None` of a structure that is absent."""
    if not mask.any():
        return None
    [box] = find_objects(mask.astype(np.uint8))
    inside = mask[box]
    values = np.where(inside, image[box] - image[box][inside].mean(), 0.0)
    return Sample(values.astype(np.float32), int(inside.sum()))


def sample_texture(shape: tuple[int, ...], sample: Sample, rng: np.random.Generator) -> np.ndarray:
    """A texture of that shape (float32, mean 0) with the sample's variance and autocorrelation."""
    noise = rng.standard_normal([size + spread - 1 for size, spread in zip(shape, sample.values.shape, strict=True)])
    texture: np.ndarray = fftconvolve(noise, sample.values / np.sqrt(sample.voxels), mode="valid")
    return texture.astype(np.float32)


def apply_texture(image: np.ndarray, mask: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Put a texture around the structure's mean in the place of its own; its outermost voxels keep half of theirs.

    Args:
        image: (Z, Y, X), intensities in [0, 1].
        mask: same shape, True in the structure.
        texture: same shape.

    Returns:
        float32, clipped to [0, 1]; voxels outside the mask are those of `image`, bit for bit.
    """
    out = image.astype(np.float32, copy=True)
    if mask.any():
        # Partly what surrounds it.
        share = np.where(distance_transform_edt(mask)[mask] > 1.0, 1.0, 0.5).astype(np.float32)
        wanted = out[mask].mean(dtype=np.float64).astype(np.float32) + texture[mask]
        out[mask] = np.clip(out[mask] + share * (wanted - out[mask]), 0.0, 1.0)
    return out
