"""Van Cittert deconvolution: sharpens a pseudo-target image by the blur that the translation leaves (METHOD 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, special

from gbaseg.translation.settings import VanCittertSettings

# FWHM of a Gaussian = sqrt(8 ln 2) sigma.
_FWHM_OF_SIGMA = float(np.sqrt(8.0 * np.log(2.0)))
# Of the finest structure along an axis: what is sharpened by less is not sharpened.
_LEAST_GAIN = 1.01


def van_cittert(image: np.ndarray, spacing_zyx_mm: Sequence[float], settings: VanCittertSettings) -> np.ndarray:
    """x_0 = y; x_{k+1} = clip(x_k + alpha (y - h * x_k), 0, 1), with h a Gaussian.

    Args:
        image: y, (Z, Y, X), intensities in [0, 1].
        spacing_zyx_mm: voxel size along (Z, Y, X).
        settings: iterations, alpha and the Gaussian's scale in mm.

    Returns:
        A new array like `image`, float32, in [0, 1].
    """
    # (Y, X, Z): of (Z, Y, X) the lines along Z, one voxel a slice, take three times as long as all others.
    y = np.array(np.moveaxis(image, 0, 2), np.float32, order="C")
    sigma = sigma_voxels(spacing_zyx_mm, settings)
    x, correction = y.copy(), np.empty_like(y)
    for _ in range(settings.iterations):
        blur(x, sigma, axes=(2, 0, 1), out=correction)
        np.subtract(y, correction, out=correction)
        if settings.alpha != 1.0:
            correction *= np.float32(settings.alpha)
        x += correction
        np.clip(x, 0.0, 1.0, out=x)
    return np.ascontiguousarray(np.moveaxis(x, 2, 0))


def sigma_voxels(spacing_zyx_mm: Sequence[float], settings: VanCittertSettings) -> tuple[float, ...]:
    """Standard deviation of h along (Z, Y, X) in voxels."""
    to_sigma = 1.0 / _FWHM_OF_SIGMA if settings.psf_is == "fwhm" else 1.0
    return tuple(
        scale * to_sigma / spacing for scale, spacing in zip(reversed(settings.psf_mm_xyz), spacing_zyx_mm, strict=True)
    )


def blur(
    image: np.ndarray, sigma: Sequence[float], *, axes: tuple[int, ...] = (0, 1, 2), out: np.ndarray | None = None
) -> np.ndarray:
    """h * image: separable Gaussian of `sigma` voxels along `axes`, one after the other, edges replicated.

    The same axes in another order of memory give the same numbers.
    """
    blurred = image
    for axis, width in zip(axes, sigma, strict=True):
        blurred = out = ndimage.correlate1d(blurred, kernel(width), axis, mode="nearest", output=out)
    return blurred


def kernel(sigma: float) -> np.ndarray:
    """A Gaussian of `sigma` voxels, integrated over each voxel up to 4 sigma on either side; its sum is 1.

    Sampled at the voxels' centres instead, a Gaussian narrower than a voxel would hardly reach its neighbours.
    """
    radius = int(np.ceil(4.0 * sigma))
    weights = np.diff(special.ndtr((np.arange(-radius, radius + 2) - 0.5) / sigma))
    return weights / weights.sum()


def gains(spacing_zyx_mm: Sequence[float], settings: VanCittertSettings) -> tuple[float, ...]:
    """How much more of the finest structure, which alternates from voxel to voxel, there is in x than in y.

    Along (Z, Y, X), where the clipping does not reach: there the steps act on each frequency alone.
    """
    found = []
    for sigma in sigma_voxels(spacing_zyx_mm, settings):
        weights = kernel(sigma)
        response = float(weights @ (-1.0) ** np.abs(np.arange(len(weights)) - len(weights) // 2))
        x = 1.0
        for _ in range(settings.iterations):
            x += settings.alpha * (1.0 - response * x)
        found.append(x)
    return tuple(found)


def without_effect(spacing_zyx_mm: Sequence[float], settings: VanCittertSettings) -> list[str]:
    """Along which axes of a grid the point spread is so narrow that the deconvolution changes nothing.

    Returns:
        A sentence for each, which says the width and the voxel; none if no deconvolution is asked for.
    """
    if not settings.iterations:
        return []
    widths = reversed(settings.psf_mm_xyz)
    return [
        f"translation.van_cittert.psf_mm_xyz: {width:g} mm ({settings.psf_is}) along {axis} has no effect on voxels of "
        f"{voxel:g} mm: it sharpens by {gain - 1.0:.1%} at the most"
        for axis, width, voxel, gain in zip("zyx", widths, spacing_zyx_mm, gains(spacing_zyx_mm, settings), strict=True)
        if gain < _LEAST_GAIN
    ]
