"""Alterations besides Eq. 5: what each does to its structure, and that it leaves all else alone."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from gbaseg.augmentation.alterations.compartments import Compartments, apply_compartments, sample_compartments
from gbaseg.augmentation.alterations.compose import sample_alterations
from gbaseg.augmentation.alterations.diameter import LARGEST, apply_diameter, sample_diameter
from gbaseg.augmentation.alterations.edges import apply_edges, sample_edges
from gbaseg.augmentation.alterations.texture import apply_texture, sample_of, sample_texture
from gbaseg.augmentation.settings import AlterationSettings, AugmentationSettings

SPACING = (2.0, 1.0, 1.0)
SHAPE = (20, 44, 44)


def ball(radius_mm, centre=(10, 22, 22)):
    away = (np.moveaxis(np.indices(SHAPE), 0, -1) - centre) * SPACING
    return np.linalg.norm(away, axis=-1) <= radius_mm


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def image(rng):
    return np.clip(0.3 + 0.3 * ball(8.0) + 0.02 * rng.standard_normal(SHAPE), 0, 1).astype(np.float32)


ALTER = {
    "compartments": lambda image, mask, rng: apply_compartments(image, mask, SPACING, sample_compartments(rng)),
    "texture": lambda image, mask, rng: apply_texture(image, mask, rng.standard_normal(SHAPE).astype(np.float32)),
    "edges": lambda image, mask, rng: apply_edges(image, mask, sample_edges(rng)),
}


@pytest.mark.parametrize("kind", ALTER)
def test_it_follows_the_draw_and_leaves_all_else_alone(image, kind):
    mask, apply = ball(8.0), ALTER[kind]
    before = image.copy()
    out = apply(image, mask, np.random.default_rng(3))
    assert np.array_equal(image, before) and out.dtype == np.float32
    assert np.array_equal(out, apply(image, mask, np.random.default_rng(3)))
    assert not np.array_equal(out, apply(image, mask, np.random.default_rng(4)))
    assert out.min() >= 0 and out.max() <= 1
    # Of edges also the band around it, within the slice.
    touched = mask | (kind == "edges") * np.stack(
        [distance_transform_edt(~one) < 2.5 if one.any() else one for one in mask]
    )
    assert np.array_equal(out[~touched], image[~touched]) and not np.array_equal(out[mask], image[mask])
    assert np.array_equal(apply(image, mask & False, np.random.default_rng(3)), image), "an absent structure"


@pytest.mark.parametrize("factor", [1 / LARGEST, 0.9, 1.1, LARGEST])
def test_size_stretches_structure_and_label_alike(factor):
    # Off the grid: a ball on it gains or loses a whole layer of voxels at once.
    label = np.where(ball(8.0, (10.5, 22.3, 21.6)), 2, np.where(ball(4.0, (10, 22, 34)), 1, 0)).astype(np.uint8)
    scan, out = apply_diameter((label == 2).astype(np.float32), label, 2, SPACING, factor)
    assert (out == 2).sum() / (label == 2).sum() == pytest.approx(factor**3, rel=0.06)
    assert ((scan >= 0.5) != (out == 2)).sum() < 0.15 * (out == 2).sum(), "the image is stretched as its label is"
    assert (out == 1).any() and set(np.unique(out)) == {0, 1, 2}, "what lies beside it gives way"
    far = ~ball(2 * factor * 9.0 + 1)
    assert np.array_equal(out[far], label[far])


def test_size_at_an_image_s_corner_and_of_one_voxel_and_of_none():
    label = np.zeros(SHAPE, np.uint8)
    scan = np.linspace(0, 1, label.size, dtype=np.float32).reshape(SHAPE)
    for same in apply_diameter(scan, label, 1, SPACING, 1.2), apply_diameter(scan, label + 2, 1, SPACING, 1.2):
        assert np.array_equal(same[0], scan)
    label[0, 0, 0] = 1
    _, out = apply_diameter(scan, label, 1, SPACING, LARGEST)
    assert out[0, 0, 0] == 1
    with pytest.raises(ValueError, match="fold"):
        apply_diameter(scan, label, 1, SPACING, 1.3)


def test_sizes_drawn_are_as_often_smaller_as_larger(rng):
    factors = np.array([sample_diameter(rng) for _ in range(400)])
    assert 1 / LARGEST <= factors.min() < 0.82 and 1.22 < factors.max() <= LARGEST
    assert (factors > 1).mean() == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(("share", "shift"), [(0.25, 0.3), (0.5, -0.2)])
def test_a_core_has_its_share_and_lies_on_its_side(image, share, shift):
    mask = ball(8.0)
    change = apply_compartments(image, mask, SPACING, Compartments(share, shift, (0.0, 0.0, 1.0))) - image
    core = np.abs(change) > abs(shift) / 2
    assert core.sum() / mask.sum() == pytest.approx(share, abs=0.05)
    assert change[core].mean() == pytest.approx(shift, rel=0.2)
    assert np.argwhere(core)[:, 2].mean() > 22.5, "towards larger x"
    assert distance_transform_edt(mask)[core].mean() > distance_transform_edt(mask)[mask & ~core].mean(), "inside"


def test_a_texture_has_the_spread_and_the_grain_of_what_the_target_shows(rng):
    """A sample that is coarse along x: so is the texture, and as strong."""
    grain = np.repeat(rng.standard_normal((20, 44, 11)), 4, axis=2) * 0.08
    seen, mask = (0.5 + grain).astype(np.float32), ball(16.0)
    texture = sample_texture((30, 60, 60), sample_of(seen, mask), rng)
    assert texture.std() == pytest.approx(seen[mask].std(), rel=0.15)

    def alike(values, axis):
        along = np.moveaxis(values, axis, 0)
        return np.corrcoef(along[:-1].ravel(), along[1:].ravel())[0, 1]

    assert alike(texture, 2) > 0.5 and abs(alike(texture, 1)) < 0.2
    assert sample_of(seen, mask & False) is None


def test_a_texture_keeps_the_structure_s_mean(image, rng):
    mask, texture = ball(8.0), 0.05 * rng.standard_normal(SHAPE).astype(np.float32)
    out = apply_texture(image, mask, texture)
    assert out[mask].mean() == pytest.approx(image[mask].mean(), abs=0.01)
    deep = distance_transform_edt(mask) > 1
    np.testing.assert_allclose(out[deep], image[mask].mean() + texture[deep], atol=1e-6)


def test_edges_become_softer_or_sharper():
    mask = ball(8.0)
    image = np.where(mask, 0.6, 0.3).astype(np.float32)

    def steepest(array):
        return np.abs(np.diff(array[10], axis=1)).max()

    soft, sharp = (apply_edges(image, mask, amount) for amount in (1.0, -0.7))
    assert steepest(soft) < 0.75 * steepest(image) < 1.1 * steepest(image) < steepest(sharp)


def test_shares_are_kept_and_one_kind_says_nothing_of_another():
    names = [f"case_{number}" for number in range(300)]

    def drawn(**shares):
        settings = AlterationSettings(**shares)
        return [sample_alterations(settings, name, 1, ["t1", "t2"]) for name in names]

    half, both = drawn(diameter=0.5), drawn(diameter=0.5, edges=1.0, texture=1.0)
    assert sum(one.diameter is not None for one in half) / 300 == pytest.approx(0.5, abs=0.1)
    assert [one.diameter for one in half] == [one.diameter for one in both]
    assert {one.texture for one in both} == {"t1", "t2"} and all(one.edges is not None for one in both)
    assert not any(one.told() for one in drawn())
    assert sample_alterations(AlterationSettings(texture=1.0), "a", 1, []).texture is None, "the target shows none"


def test_arm_online_has_no_copies_to_alter():
    with pytest.raises(ValueError, match=r"arm online makes no copies.*alterations\.diameter"):
        AugmentationSettings(arm="online", alterations=AlterationSettings(diameter=0.5))
