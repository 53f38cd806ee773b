"""Eq. 6, and the whole of GBA (Eq. 5 to 7)."""

import numpy as np
import pytest
import torch

from gbaseg.augmentation.gba import apply_gba, apply_naive
from gbaseg.augmentation.settings import AugmentationSettings, BlendSettings, HarmoniseSettings, SinGANSettings
from gbaseg.augmentation.singan.harmonise import harmonise, harmonise_volume
from gbaseg.augmentation.singan.networks import Generator
from gbaseg.augmentation.singan.training import Wanted, train_singan

pytestmark = pytest.mark.training

CODE, EQUATION = HarmoniseSettings(), HarmoniseSettings(down_steps="equation")
QUIET = HarmoniseSettings(noise=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    image = np.random.default_rng(0).random((30, 36), dtype=np.float32)
    settings = SinGANSettings(min_size=16, scale_factor=0.8, iterations=2, width=4, max_width=4)
    return train_singan(Wanted(image, 1, tmp_path_factory.mktemp("singan")), settings, torch.device("cpu"))


@pytest.fixture
def volume():
    return np.random.default_rng(1).random((5, 30, 36), dtype=np.float32)


def test_the_seed_decides(model, volume):
    one = harmonise(model, volume[0], 1, CODE, seed=3)
    assert np.array_equal(one, harmonise(model, volume[0], 1, CODE, seed=3))
    assert not np.array_equal(one, harmonise(model, volume[0], 1, CODE, seed=4))
    quiet = [harmonise(model, volume[0], 1, QUIET, seed=seed) for seed in (3, 4)]
    assert np.array_equal(quiet[0], quiet[1])
    assert one.dtype == np.float32 and one.min() >= 0 and one.max() <= 1


@pytest.mark.parametrize("k_star", [0, 1, 3])
def test_k_star_plus_one_generators_run_after_the_way_down(model, volume, k_star, monkeypatch):
    """Eq. 6 by hand, without noise: down to n - 1 and up (code) or down to n (equation), then G_n .. G_K."""
    start, sizes = model.last_scale - k_star, []
    expected = {}
    for way, settings in (("code", QUIET), ("equation", QUIET.model_copy(update={"down_steps": "equation"}))):
        x = torch.tensor(volume[:1])[None] * 2 - 1
        if way == "code":
            x = model.resize(x, model.pyramid.size(start - 1))
        x = model.resize(x, model.pyramid.size(start))
        with torch.no_grad():
            for scale in range(start, model.last_scale + 1):
                x = model.resize(x, model.pyramid.size(scale))
                x = model.generators[scale](torch.zeros_like(x), x)
                sizes.append(scale)
        expected[way] = ((x + 1) / 2).clamp(0, 1)[0, 0].numpy()
        np.testing.assert_allclose(harmonise(model, volume[0], k_star, settings, seed=0), expected[way], atol=1e-6)
    assert len(sizes) == 2 * (k_star + 1)
    assert np.abs(expected["code"] - expected["equation"]).max() > 1e-3


def test_a_slice_does_not_depend_on_its_batch(model, volume):
    together = harmonise_volume(model, volume, [4, 0, 2], 1, CODE, seed=3, batch=3)
    alone = harmonise_volume(model, volume, [2], 1, CODE, seed=3)
    np.testing.assert_allclose(together[2], alone[0], atol=1e-6)
    assert together.shape == (3, 30, 36)
    assert harmonise_volume(model, volume, [], 1, CODE, seed=3).shape == (0, 30, 36)


@pytest.mark.parametrize("k_star", [0, 1, 3])
@pytest.mark.parametrize(
    "window", [np.s_[10:14, 12:13], np.s_[0:9, 20:36], np.s_[27:30, 0:1], np.s_[0:30, 0:36], np.s_[13:17, 5:31]]
)
def test_some_of_a_slice_is_what_it_is_of_the_whole(model, volume, k_star, window):
    """Whatever else is left undone: a border of the slice, too, is the one that generators pad."""
    whole = harmonise_volume(model, volume, [1, 3], k_star, CODE, seed=3)
    some = harmonise_volume(model, volume, [1, 3], k_star, CODE, seed=3, window=window)
    np.testing.assert_allclose(some, whole[:, *window], atol=1e-6)


def test_only_what_is_blended_in_is_computed(model, volume, monkeypatch):
    """At the finest scale the window itself, at each scale below what it is made of."""
    seen = []
    whole = Generator.forward

    def forward(self, noise, prior, window=None):
        seen.append(tuple((side.start, side.stop) for side in window))
        return whole(self, noise, prior, window)

    monkeypatch.setattr(Generator, "forward", forward)
    mask = np.zeros(volume.shape, bool)
    mask[1:3, 12:14, 15:18] = True
    settings = AugmentationSettings(blend=BlendSettings(dilation_px=1, sigma_px=0.25))
    apply_gba(volume, mask, factor=0.6, k_star=1, model=model, settings=settings, seed=0)
    coarse, fine = seen
    assert fine == ((10, 16), (13, 20))  # dilated by 1, smoothed by 1
    assert model.pyramid.size(model.last_scale - 1) == (26, 31)
    assert coarse == ((1, 22), (3, 25))


def test_faulty_calls(model, volume):
    with pytest.raises(ValueError, match="trained on"):
        harmonise(model, volume[0].T, 1, CODE, seed=0)
    with pytest.raises(ValueError, match="K ="):
        harmonise(model, volume[0], model.last_scale + 1, CODE, seed=0)


def test_gba_touches_the_surroundings_of_the_tumour_alone(model, volume):
    mask = np.zeros(volume.shape, bool)
    mask[1:3, 8:12, 10:14] = True
    settings = AugmentationSettings(blend=BlendSettings(dilation_px=1, sigma_px=1.0))
    before = volume.copy()
    out = apply_gba(volume, mask, factor=0.6, k_star=1, model=model, settings=settings, seed=0)
    assert np.array_equal(volume, before)
    assert np.array_equal(out[[0, 3, 4]], volume[[0, 3, 4]])
    assert np.array_equal(out[:, :, 20:], volume[:, :, 20:]) and np.array_equal(out[:, 18:], volume[:, 18:])
    assert np.abs(out - apply_naive(volume, mask, 0.6))[mask].max() > 1e-3
    assert np.array_equal(out, apply_gba(volume, mask, factor=0.6, k_star=1, model=model, settings=settings, seed=0))
    nothing = apply_gba(volume, mask & False, factor=0.6, k_star=1, model=model, settings=settings, seed=0)
    assert np.array_equal(nothing, volume)


def test_gba_leaves_other_structures_alone(model, volume):
    """They may lie within the blending's reach, and touch the one that is rescaled."""
    mask, others = np.zeros((2, *volume.shape), bool)
    mask[1:3, 8:12, 10:14] = others[2:4, 8:12, 14:18] = True
    settings = AugmentationSettings(blend=BlendSettings(dilation_px=2, sigma_px=2.0))
    given = {"factor": 0.6, "k_star": 1, "model": model, "settings": settings, "seed": 0}
    alone, out = apply_gba(volume, mask, **given), apply_gba(volume, mask, **given, others=others)
    assert not np.array_equal(alone[others], volume[others])
    assert np.array_equal(out[others], volume[others])
    assert np.array_equal(out[~others], alone[~others])


def test_psi_stands_where_the_blend_is_one(model, volume):
    """Eq. 7 with a mask that fills the slice: the result is psi of the rescaled slice."""
    mask = np.zeros(volume.shape, bool)
    mask[2] = True
    out = apply_gba(volume, mask, factor=0.6, k_star=1, model=model, settings=AugmentationSettings(), seed=5)
    psi = harmonise_volume(model, apply_naive(volume, mask, 0.6), [2], 1, CODE, seed=5)[0]
    assert np.array_equal(out[2], psi)
