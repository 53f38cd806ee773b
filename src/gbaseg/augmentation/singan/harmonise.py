"""Harmonisation (Eq. 6): a slice loses its detail down to a scale and gets the target's on its way back up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gbaseg.augmentation.settings import HarmoniseSettings
from gbaseg.augmentation.singan.model import SinGAN
from gbaseg.augmentation.singan.networks import Window
from gbaseg.runtime.seeds import derive, torch_generator


def harmonise(
    model: SinGAN, slice_yx: np.ndarray, k_star: int, settings: HarmoniseSettings, *, seed: int
) -> np.ndarray:
    """psi of Eq. 6 for one slice (Y, X) in [0, 1]; see `harmonise_volume`, of which this is the case of one slice."""
    return harmonise_volume(model, slice_yx[None], [0], k_star, settings, seed=seed)[0]


def harmonise_volume(
    model: SinGAN,
    array: np.ndarray,
    z_indices: Sequence[int],
    k_star: int,
    settings: HarmoniseSettings,
    *,
    seed: int,
    window: Window | None = None,
    batch: int = 4,
) -> np.ndarray:
    """psi of Eq. 6 for some slices of a volume.

    The start scale is n = K - k*. `down_steps: code` brings the slice to the size of scale n - 1 and back to that of
    n, `equation` straight to that of n; then generators n .. K run, k* + 1 of them.

    Args:
        model: a complete SinGAN.
        array: (Z, Y, X) in [0, 1]; (Y, X) must be the shape of the slice the model was trained on, since its
            generators know detail of one pixel size only.
        z_indices: the slices wanted.
        k_star: 0 .. K.
        settings: numbers.
        seed: of the noise; each slice has its own, from the seed and its z.
        window: rows and columns that are wanted, at a cost that goes with their number; None: all.
        batch: slices at a time. More need more memory, and change nothing but rounding.

    Returns:
        (len(z_indices), Y, X) float32, clipped to [0, 1]; of a window its rows and columns.

    Raises:
        ValueError: k* outside 0 .. K, another slice shape, or a model that lacks scales.
    """
    if tuple(array.shape[1:]) != model.pyramid.shape:
        raise ValueError(f"slices of {array.shape[1:]} for a SinGAN trained on {model.pyramid.shape}")
    if not 0 <= k_star <= model.last_scale:
        raise ValueError(f"k* = {k_star}, but the SinGAN has K = {model.last_scale}")
    if len(model.generators) != model.last_scale + 1:
        raise ValueError(f"the SinGAN has {len(model.generators)} of {model.last_scale + 1} scales")
    start = model.last_scale - k_star
    # Drawn on the CPU: the same noise whatever the device, and whatever the batch.
    noise = {z: torch_generator(derive(seed, "harmonise", z), torch.device("cpu")) for z in z_indices}
    rows, columns = window or (slice(None), slice(None))
    out = np.empty((len(z_indices), *array[0, rows, columns].shape), np.float32)
    for first in range(0, len(z_indices), batch):
        part = list(z_indices[first : first + batch])

        def draw(scale: int, shape: tuple[int, ...], part: list[int] = part) -> Tensor:
            if not settings.noise:
                return torch.zeros(shape, device=model.device)
            each = [torch.randn(shape[1:], generator=noise[z]) for z in part]
            return torch.stack(each).to(model.device)

        slices = torch.as_tensor(np.asarray(array[part], np.float32), device=model.device)[:, None]
        prior = _descend(model, slices * 2.0 - 1.0, start, settings)
        psi = (model.ascend(prior, start, draw, window)[:, 0, rows, columns] + 1.0) / 2.0
        out[first : first + len(part)] = psi.clamp(0.0, 1.0).cpu().numpy()
    return out


def _descend(model: SinGAN, slices: Tensor, start: int, settings: HarmoniseSettings) -> Tensor:
    """Slices (N, 1, H, W) at the size of scale `start`, without the detail that its generator is to add."""
    if settings.down_steps == "code":
        slices = model.resize(slices, model.pyramid.size(start - 1))
    return model.resize(slices, model.pyramid.size(start))
