"""Smooth random fields: coarse normal noise, upsampled with cubic B-splines."""

from __future__ import annotations

import numpy as np


def _taps(size: int, spacing_mm: float, length_mm: float) -> tuple[np.ndarray, np.ndarray, int]:
    """First knot and the 4 B-spline weights (size, 4) of each sample along one axis, and the number of knots.

    The weights are scaled so that unit normal knots give unit variance.
    """
    position = np.arange(size) * spacing_mm / length_mm
    knot = np.floor(position).astype(int)
    t = position - knot
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1)
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return knot, weights.astype(np.float32), int(knot[-1]) + 4


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: tuple[float, ...], length_mm: float
) -> np.ndarray:
    """A field (Z, Y, X) of mean 0 and SD 1 that changes over about `length_mm`, float32.

    Sums are plain ones and no BLAS call, so that the number of threads cannot change the last bit.
    """
    taps = [_taps(n, s, length_mm) for n, s in zip(shape, spacing_mm, strict=True)]
    field = rng.standard_normal([knots for *_, knots in taps], dtype=np.float32)
    # X, then Y, then Z: the full size is only reached in the last step.
    for axis in (2, 1):
        knot, weights, _ = taps[axis]
        extent = (1, 1, -1) if axis == 2 else (1, -1, 1)
        field = sum(np.take(field, knot + k, axis=axis) * weights[:, k].reshape(extent) for k in range(4))  # type: ignore[assignment]
    knot, weights, _ = taps[0]
    out = np.empty(shape, dtype=np.float32)
    for z, (first, w) in enumerate(zip(knot, weights, strict=True)):
        out[z] = w[0] * field[first]
        for k in (1, 2, 3):
            out[z] += w[k] * field[first + k]
    return out
