"""Making one augmented image: naive rescaling, or the whole of GBA (Eq. 5 to 7). The label stays what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gbaseg.augmentation.blend import blend, blend_mask
from gbaseg.augmentation.rescale import rescale
from gbaseg.augmentation.settings import AugmentationSettings
from gbaseg.runtime.turns import on_gpu

if TYPE_CHECKING:
    from gbaseg.augmentation.singan.model import SinGAN


def apply_naive(image: np.ndarray, mask: np.ndarray, factor: float, offset: float = 0.0) -> np.ndarray:
    """x_lambda (Eq. 5) of a volume (Z, Y, X) in [0, 1]; `mask` is non-zero in the structure."""
    return rescale(image, mask, factor, offset)


def blend_in(
    image: np.ndarray,
    altered: np.ndarray,
    mask: np.ndarray,
    *,
    k_star: int,
    model: SinGAN,
    settings: AugmentationSettings,
    seed: int,
    others: np.ndarray | None = None,
) -> np.ndarray:
    """Harmonise every slice that has some of an altered structure, and blend it in (Eq. 6, 7).

    Args:
        image: the pseudo-target volume (Z, Y, X) in [0, 1].
        altered: the same with the structure rescaled, x_lambda.
        mask, k_star, model, settings, seed, others: see `apply_gba`.

    Returns:
        See `apply_gba`.
    """
    # torch, which naive copies do without
    from gbaseg.augmentation.singan.harmonise import harmonise_volume
    from gbaseg.augmentation.singan.window import window_of

    out, y_hats = image.copy(), {}
    for z in map(int, np.flatnonzero(mask.any(axis=(1, 2)))):
        y_hats[z] = blend_mask(mask[z], settings.blend.dilation_px, settings.blend.sigma_px)
        if others is not None:
            y_hats[z][others[z] != 0] = 0.0
    window = window_of(y_hat > 0 for y_hat in y_hats.values()) if y_hats else None
    if window is None:
        return out
    # Elsewhere the image stays what it is, whatever psi were there.
    psi = on_gpu(harmonise_volume, model, altered, list(y_hats), k_star, settings.harmonise, seed=seed, window=window)
    for (z, y_hat), harmonised in zip(y_hats.items(), psi, strict=True):
        place = (z, *window)
        out[place] = blend(harmonised, altered[place], image[place], y_hat[window])
    return out


def apply_gba(
    image: np.ndarray,
    mask: np.ndarray,
    *,
    factor: float,
    k_star: int,
    model: SinGAN,
    settings: AugmentationSettings,
    seed: int,
    offset: float = 0.0,
    others: np.ndarray | None = None,
) -> np.ndarray:
    """Rescale the structure, harmonise every slice that has some of it, blend it in (Eq. 5, 6, 7).

    Args:
        image: the pseudo-target volume (Z, Y, X) in [0, 1].
        mask: same shape, non-zero in the structure.
        factor: lambda.
        k_star: harmonisation starts this many scales below the finest.
        model: the SinGAN, trained on a slice of shape (Y, X).
        settings: numbers.
        seed: of the noise.
        offset: see `rescale`.
        others: same shape, non-zero in other structures, which so wide a blending may reach: y^ is 0 there.

    Returns:
        (Z, Y, X) float32 in [0, 1]. Voxels where y^ is 0, and slices without the structure, are those of `image`, bit
        for bit.

    Raises:
        ValueError: shapes differ, or k* is larger than K.
    """
    image = image.astype(np.float32, copy=False)
    rescaled = rescale(image, mask, factor, offset)
    return blend_in(image, rescaled, mask, k_star=k_star, model=model, settings=settings, seed=seed, others=others)
