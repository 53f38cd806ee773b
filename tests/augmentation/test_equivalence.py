"""Mode fast trains the same SinGAN as mode reference (a small-scale version of benchmarks/singan_equivalence.py)."""

import numpy as np
import pytest
import torch

from gbaseg.augmentation.settings import AugmentationSettings, BlendSettings, SinGANSettings
from gbaseg.augmentation.singan.equivalence import Traits, compare, traits_of
from gbaseg.augmentation.singan.training import Wanted, train_singan

SINGAN = SinGANSettings(min_size=16, scale_factor=0.7, iterations=8, width=8, max_width=8)
AUGMENTATION = AugmentationSettings(singan=SINGAN, blend=BlendSettings(dilation_px=2, sigma_px=1.5))


def tumour():
    """A slice with a bright disc, and the disc."""
    yy, xx = np.mgrid[:32, :32] / 31.0
    mask = np.hypot(yy - 0.5, xx - 0.4) < 0.2
    texture = np.random.default_rng(0).normal(0, 0.05, mask.shape)
    return np.clip(0.3 + 0.4 * mask + texture, 0, 1).astype(np.float32), mask


def models(folder, mode, seeds, **changes):
    image, mask = tumour()
    settings = SINGAN.model_copy(update={"mode": mode, **changes})
    found = []
    for seed in seeds:
        reports = []
        model = train_singan(
            Wanted(image, seed, folder / f"{mode}{seed}{changes}"),
            settings,
            torch.device("cpu"),
            on_scale=reports.append,
        )
        found.append(traits_of(model, reports, mask, AUGMENTATION, factor=1.4, k_star=1, seed=seed))
    return found


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return models(tmp_path_factory.mktemp("reference"), "reference", range(6))


@pytest.mark.training
def test_fast_is_within_the_references_own_distance_from_seed_to_seed(reference, tmp_path):
    rows = compare(reference, models(tmp_path, "fast", range(10, 16)))
    assert not [row for row in rows if not row.same]
    assert any("sliced Wasserstein" in row.trait for row in rows)


@pytest.mark.training
def test_another_mathematics_is_not(reference, tmp_path):
    """The comparison sees what it is there to see."""
    changed = models(tmp_path, "fast", range(10, 13), noise_factor=1.0, reconstruction_weight=0.1)
    different = {row.trait for row in compare(reference, changed) if not row.same}
    assert any("amplitude" in trait for trait in different) and any("Wasserstein" in trait for trait in different)


def test_distances_are_medians_over_pairs():
    def traits(value):
        return Traits({"x": value}, np.full((4, 121), value, np.float32))

    first, second = [traits(value) for value in (0.0, 0.1, 0.3)], [traits(0.5)]
    row = compare(first, second)[0]
    assert (row.between, row.among, row.among_largest) == pytest.approx((0.4, 0.2, 0.3)) and not row.same
    assert compare(first, [traits(0.2)])[0].same
    with pytest.raises(ValueError, match="3 or more"):
        compare(first[:2], second)
