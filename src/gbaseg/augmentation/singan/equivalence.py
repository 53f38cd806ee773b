"""Whether two ways of training a SinGAN give the same SinGAN: what can be told of a model, compared over seeds.

One way counts as the same as another when, in every trait, its models are no further from the other's than those are
from each other, which differ in nothing but the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion

from gbaseg.augmentation.gba import apply_gba
from gbaseg.augmentation.rescale import rescale
from gbaseg.augmentation.settings import AugmentationSettings
from gbaseg.augmentation.singan.model import SinGAN
from gbaseg.augmentation.singan.networks import LAYERS
from gbaseg.augmentation.singan.training import ScaleReport
from gbaseg.patches import patch_distance, sample_patches
from gbaseg.runtime.seeds import numpy_generator, torch_generator

# What a discriminator sees.
_PATCH = 2 * LAYERS + 1
_SAMPLES, _PATCHES = 16, 4096


@dataclass(frozen=True)
class Traits:
    """Of one model.

    Args:
        numbers: by name: reconstruction error and noise amplitude of every scale, and of the harmonised tumour the
            shift of its mean, the ratio of its SDs, and the gradient at its boundary.
        patches: (n, 121) of its random images, intensities in [0, 1].
    """

    numbers: dict[str, float]
    patches: np.ndarray


@dataclass(frozen=True)
class Row:
    """One trait: distance between the two ways, and among seeds of the first; medians over pairs of models."""

    trait: str
    between: float
    among: float
    among_largest: float

    @property
    def same(self) -> bool:
        """Within the first way's own distance from seed to seed."""
        return self.between <= self.among_largest


def traits_of(
    model: SinGAN,
    reports: Sequence[ScaleReport],
    mask: np.ndarray,
    settings: AugmentationSettings,
    factor: float,
    k_star: int,
    seed: int,
) -> Traits:
    """Measure a model on the slice that it was trained on.

    Args:
        model: complete.
        reports: of its scales.
        mask: (Y, X), non-zero in a tumour of that slice.
        settings: how it is harmonised and blended.
        factor, k_star: of the copy that is made.
        seed: of noise and patches.
    """
    image = ((model.image[0].cpu().numpy() + 1.0) / 2.0).clip(0.0, 1.0).astype(np.float32)  # (1, Y, X)
    inside = (mask != 0)[None]
    copy = apply_gba(image, inside, factor=factor, k_star=k_star, model=model, settings=settings, seed=seed)
    rescaled = rescale(image, inside, factor)
    border = binary_dilation(inside[0], iterations=2) & ~binary_erosion(inside[0], iterations=2)
    gradient = np.hypot(*np.gradient(copy[0]))
    numbers = {f"reconstruction error, scale {report.scale}": report.reconstruction_rmse for report in reports}
    numbers |= {f"noise amplitude, scale {report.scale}": report.noise_amplitude for report in reports}
    numbers |= {
        "harmonised tumour, shift of mean": float(copy[inside].mean() - rescaled[inside].mean()),
        "harmonised tumour, ratio of SD": float(copy[inside].std() / max(rescaled[inside].std(), 1e-6)),
        "harmonised tumour, gradient at boundary": float(gradient[border].mean()),
    }
    samples = (model.sample(_SAMPLES, torch_generator(seed, model.device)).cpu().numpy()[:, 0] + 1.0) / 2.0
    return Traits(numbers, sample_patches(samples, _PATCH, _PATCHES, numpy_generator(seed, "patches")))


def compare(first: Sequence[Traits], second: Sequence[Traits]) -> list[Row]:
    """Every trait of two ways, each with models of several seeds.

    Raises:
        ValueError: fewer than 3 models of the first way, which is too few for a distance among seeds.
    """
    if len(first) < 3:
        raise ValueError(f"{len(first)} models; a distance among seeds needs 3 or more")

    def row(name: str, distance: Callable[[Traits, Traits], float]) -> Row:
        among = [distance(a, b) for a, b in combinations(first, 2)]
        between = [distance(a, b) for a, b in product(first, second)]
        return Row(name, float(np.median(between)), float(np.median(among)), max(among))

    def of_number(name: str) -> Callable[[Traits, Traits], float]:
        return lambda a, b: abs(a.numbers[name] - b.numbers[name])

    def of_patches(a: Traits, b: Traits) -> float:
        return patch_distance(a.patches, b.patches, np.random.default_rng(0))

    rows = [row(name, of_number(name)) for name in first[0].numbers]
    return [*rows, row(f"patches of {_PATCH} x {_PATCH}, sliced Wasserstein", of_patches)]
