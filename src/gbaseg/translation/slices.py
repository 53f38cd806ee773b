"""The slices that the CycleGAN trains on: which take part, in what order, which crop of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from gbaseg.errors import UserError
from gbaseg.translation.networks import smallest_input
from gbaseg.translation.settings import CycleGANSettings


def usable(slices: np.ndarray, settings: CycleGANSettings, domain: str) -> np.ndarray:
    """Indices of the slices with enough tissue. Slice by slice: a mask of all of them would be large.

    Raises:
        UserError: none has enough.
    """
    share = np.array([np.mean(part > settings.tissue_above) for part in slices])
    found = np.flatnonzero(share >= settings.min_tissue_fraction)
    if len(found) == 0:
        raise UserError(
            f"translation.cyclegan.min_tissue_fraction: {settings.min_tissue_fraction} leaves none of the "
            f"{len(slices)} {domain} slices (most tissue in one: {share.max(initial=0.0):.3f})"
        )
    return found


def patch_size(source: np.ndarray, target: np.ndarray, settings: CycleGANSettings) -> tuple[int, int]:
    """Height and width of what the networks see while training: the crop, or the whole slice.

    Raises:
        UserError: whole slices of different sizes, or a crop that is larger than a slice or too small for the networks.
    """
    if settings.crop_yx is None and source.shape[1:] != target.shape[1:]:
        raise UserError(
            f"translation.cyclegan.crop_yx: null needs slices of one size, found {source.shape[1:]} in the "
            f"source and {target.shape[1:]} in the target; set a crop that fits both"
        )
    size = settings.crop_yx or source.shape[1:]
    room = tuple(min(a, b) for a, b in zip(source.shape[1:], target.shape[1:], strict=True))
    least = smallest_input(settings.discriminator_layers)
    if any(wanted > most or wanted < least for wanted, most in zip(size, room, strict=True)):
        raise UserError(
            f"translation.cyclegan.crop_yx: {tuple(size)} is outside what fits: at least {least} pixels for "
            f"{settings.discriminator_layers} discriminator layers, at most {room}"
        )
    return size[0], size[1]


def endless_batches(indices: np.ndarray, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches without end; every index comes once before any comes again."""
    left = np.empty(0, dtype=indices.dtype)
    while True:
        while len(left) < batch:
            left = np.concatenate([left, rng.permutation(indices)])
        yield left[:batch]
        left = left[batch:]


def sample_batch(
    slices: np.ndarray, picked: np.ndarray, size_yx: tuple[int, int], flip: bool, rng: np.random.Generator
) -> torch.Tensor:
    """Random crops of the `picked` slices, mirrored half the time if `flip`: (B, 1, *size_yx) in [0, 1], on the CPU."""
    crops = []
    for index in picked:
        top = int(rng.integers(slices.shape[1] - size_yx[0] + 1))
        left = int(rng.integers(slices.shape[2] - size_yx[1] + 1))
        crop = slices[index, top : top + size_yx[0], left : left + size_yx[1]]
        crops.append(crop[:, ::-1] if flip and rng.random() < 0.5 else crop)
    return torch.from_numpy(np.stack(crops).astype(np.float32, copy=False))[:, None]
