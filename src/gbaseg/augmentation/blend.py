"""Blending the harmonised slice into the rescaled one (Eq. 7)."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

# The Gaussian ends here, in sigmas; beyond it y^ is 0, not merely small.
_TRUNCATE = 4.0


def blend_mask(mask: np.ndarray, dilation_px: int = 7, sigma_px: float = 5.0) -> np.ndarray:
    """y^ of Eq. 7: the mask dilated by a disc, smoothed by a Gaussian, rescaled to [0, 1].

    Exactly 0 further than `dilation_px` + 4 `sigma_px` (+ 1 for rounding) from the mask along either axis.

    Args:
        mask: (Y, X), non-zero inside.
        dilation_px: radius of the disc, pixels.
        sigma_px: sigma of the Gaussian, pixels.

    Returns:
        (Y, X) float32; all 0 for an empty mask.
    """
    inside = mask != 0
    if not inside.any():
        return np.zeros(mask.shape, np.float32)
    # Within the radius of a mask pixel = dilated by the disc of that radius, at a cost that does not grow with it.
    dilated = distance_transform_edt(~inside) <= dilation_px
    soft = gaussian_filter(dilated.astype(np.float64), sigma_px, mode="nearest", truncate=_TRUNCATE)
    low, high = soft.min(), soft.max()
    if low == high:  # the dilated mask fills the slice
        return np.ones(mask.shape, np.float32)
    return ((soft - low) / (high - low)).astype(np.float32)


def blend(psi: np.ndarray, x_lambda: np.ndarray, x: np.ndarray, y_hat: np.ndarray) -> np.ndarray:
    """Eq. 7: y^ psi + (1 - y^) x_lambda; where y^ is 0 the pseudo-target, bit for bit.

    Args:
        psi: the harmonised slice, [0, 1]; all four have the same shape.
        x_lambda: the rescaled slice, [0, 1].
        x: the pseudo-target slice, [0, 1].
        y_hat: from `blend_mask`.

    Returns:
        float32, in [0, 1] where the inputs are.
    """
    mixed = y_hat * psi + (np.float32(1.0) - y_hat) * x_lambda
    return np.where(y_hat > 0, mixed, x).astype(np.float32, copy=False)
