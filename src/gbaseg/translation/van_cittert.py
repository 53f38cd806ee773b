"""Van Cittert deconvolution: sharpens a pseudo-target image by the blur that the translation leaves (METHOD 4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from gbaseg.translation.settings import VanCittertSettings

# FWHM of a Gaussian = sqrt(8 ln 2) sigma.
_FWHM_OF_SIGMA = float(np.sqrt(8.0 * np.log(2.0)))
# A blur that takes less than this share of the finest detail is none: reached at about half a voxel (FWHM).
_NO_EFFECT = 0.05


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


def without_effect(spacing_zyx_mm: Sequence[float], settings: VanCittertSettings) -> list[str]:
    """One line an axis along which the deconvolution is asked for and changes nothing; a width of 0 asks for none."""
    if settings.iterations == 0:
        return []
    lines = []
    sigmas = sigma_voxels(spacing_zyx_mm, settings)
    for axis, width, voxel, sigma in zip(
        "xyz", settings.psf_mm_xyz, reversed(spacing_zyx_mm), reversed(sigmas), strict=True
    ):
        if sigma == 0.0:
            continue
        kernel = _kernel(sigma)
        finest = float(np.abs(kernel[::2].sum() - kernel[1::2].sum()))  # what h leaves of one voxel up, one down
        if 1.0 - finest < _NO_EFFECT:
            lines.append(
                f"translation.van_cittert.psf_mm_xyz: {width:g} mm ({settings.psf_is}) along {axis} has no effect on "
                f"voxels of {voxel:g} mm: the finest detail changes by less than {_NO_EFFECT:.0%}; a wider one acts, "
                "0 leaves the axis out"
            )
    return lines


def blur(
    image: np.ndarray, sigma: Sequence[float], *, axes: tuple[int, ...] = (0, 1, 2), out: np.ndarray | None = None
) -> np.ndarray:
    """h * image: separable Gaussian of `sigma` voxels along `axes`, one after the other, edges replicated; 0: none.
    The same axes in another order of memory give the same numbers."""
    out = np.empty_like(image) if out is None else out
    blurred = image
    for axis, width in zip(axes, sigma, strict=True):
        if width > 0.0:
            blurred = ndimage.correlate1d(blurred, _kernel(width), axis=axis, mode="nearest", output=out)
    if blurred is image:
        np.copyto(out, image)
    return out


def _kernel(sigma: float) -> np.ndarray:
    """The Gaussian's integral over each voxel, cut at 4 sigma: right at any width, where samples at the voxels' centres
    miss what lies between them (of 2/3 of a voxel FWHM they are 0.002, 0.996, 0.002)."""
    reach = int(np.ceil(4.0 * sigma))
    kernel = np.diff(ndtr((np.arange(-reach, reach + 2) - 0.5) / sigma))
    return kernel / kernel.sum()
