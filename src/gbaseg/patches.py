"""Random patches of images, and how far apart two samples of them are."""

from __future__ import annotations

import numpy as np


def sample_patches(
    image: np.ndarray, size: int, count: int, rng: np.random.Generator, tissue_above: float = 0.05
) -> np.ndarray:
    """Random patches of slices, centred on tissue.

    Args:
        image: (Z, Y, X) in [0, 1].
        size: edge in pixels.
        count: patches.
        rng: places.
        tissue_above: intensity from which a pixel is tissue; everything is, where nothing is above.

    Returns:
        (count, size * size) float32.

    Raises:
        ValueError: the patch is larger than a slice.
    """
    if size > min(image.shape[1:]):
        raise ValueError(f"patch of {size} pixels in slices of {image.shape[1:]}")
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(1, 2))
    half = size // 2
    centres = image[:, half : half + windows.shape[1], half : half + windows.shape[2]]
    allowed = np.flatnonzero(centres > tissue_above)
    flat = rng.choice(allowed, count) if len(allowed) else rng.integers(centres.size, size=count)
    return windows[np.unravel_index(flat, centres.shape)].reshape(count, -1).astype(np.float32)


def patch_distance(first: np.ndarray, second: np.ndarray, rng: np.random.Generator, directions: int = 64) -> float:
    """Sliced Wasserstein-1 distance of two patch samples (n, d): mean over random directions.

    A direction is a random unit vector times sqrt(d), so that an offset of all intensities by c weighs the same
    for every patch size.

    Raises:
        ValueError: the samples differ in shape.
    """
    if first.shape != second.shape:
        raise ValueError(f"samples of {first.shape} and {second.shape}")
    axes = rng.standard_normal((first.shape[1], directions), dtype=np.float32)
    axes *= np.sqrt(first.shape[1]) / np.linalg.norm(axes, axis=0)
    apart = np.sort(first @ axes, axis=0) - np.sort(second @ axes, axis=0)
    return float(np.abs(apart).mean())
