"""Changes that are drawn from what the target shows."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from gbaseg.augmentation.adaptive import chance_distance, draw, energy_distance, evenly, keep_contrast, towards
from gbaseg.augmentation.appearance import Appearance, measure
from gbaseg.augmentation.rescale import rescale

SPACING = (2.0, 1.0, 1.0)


def ball(contrast: float, sd: float = 0.02, ring: float = 0.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Image in [0, 1] and mask of a textured ball on even ground."""
    z, y, x = np.indices((12, 24, 24))
    mask = (2.0 * (z - 5.5)) ** 2 + (y - 11.5) ** 2 + (x - 11.5) ** 2 < 49
    texture = sd * np.random.default_rng(seed).standard_normal(mask.shape)
    return np.where(mask, ring + contrast + texture, ring).astype(np.float32), mask


def look(contrast, std=0.05, volume_mm3=1000.0, ring=0.5):
    return Appearance(volume_mm3, ring + contrast, std, contrast)


@given(st.floats(-0.25, 0.25).filter(lambda value: abs(value) > 0.01), st.floats(-0.3, 0.3), st.floats(0.01, 0.04))
def test_a_change_gives_the_contrast_and_the_spread_that_are_wanted(before, wanted, spread):
    """Of whatever sign; nothing is clipped here."""
    image, mask = ball(before)
    change = towards(measure(image, mask, SPACING), wanted, spread)
    after = measure(rescale(image, mask, *change), mask, SPACING)
    assert after.contrast == pytest.approx(wanted, abs=2e-3)
    assert after.std == pytest.approx(spread, rel=1e-2)


@given(st.floats(-0.3, 0.3), st.floats(0.0, 1.2), st.floats(-0.1, 0.1))
def test_a_contrast_that_blending_weakened_is_given_back(wanted, left, ring_too):
    """Whatever is left of it, and of what surrounds it; other structures and what is further away stay as they are."""
    altered, mask = ball(wanted, sd=0.0)
    label = mask.astype(np.uint8)
    label[:, :3] = 2
    blended = np.where(mask, 0.5 + left * (altered - 0.5), altered + ring_too).astype(np.float32)
    found = keep_contrast(blended, altered, label, 1, SPACING)
    assert measure(found, label, SPACING).contrast == pytest.approx(measure(altered, label, SPACING).contrast, abs=2e-3)
    assert np.array_equal(found[label == 2], blended[label == 2]) and found.dtype == np.float32
    assert np.array_equal(found[:, :, :2], blended[:, :, :2])
    # Structure and edge: it fades over a pixel or two, and leaves no step that the network could learn.
    steps = np.abs(np.diff(found - blended, axis=2)).max() / max(np.abs(found - blended).max(), 1e-6)
    assert steps < 0.75


@pytest.mark.parametrize("value", [1, 3])
def test_without_structure_or_ring_nothing_is_given_back(value):
    image = np.full((4, 6, 6), 0.5, np.float32)
    label = np.ones(image.shape, np.uint8)
    assert np.array_equal(keep_contrast(image, image + 0.1, label, value, SPACING), image)


def test_a_flipped_structure_keeps_its_soft_rim():
    """A voxel that is half ring lies between the two before and after."""
    seen = look(-0.2)
    change = towards(seen, 0.3)
    assert change.factor == -1.0
    rim = change.factor * (0.5 - 0.1) + change.offset
    assert 0.5 <= rim <= 0.8


@pytest.mark.parametrize("ring", [0.0, 0.1, 0.5, 0.95])
def test_contrasts_are_spread_over_what_intensities_allow(ring):
    image, mask = ball(0.02, ring=ring, sd=0.0)
    seen = measure(image, mask, SPACING)
    found = np.array([seen.mean * change.factor + change.offset - ring for change in evenly(seen, 8, 0.4)])
    assert len(found) == 8 and np.abs(found).min() >= 0.03 - 1e-6
    assert found.min() >= -min(0.4, ring) - 1e-6 and found.max() <= min(0.4, 1 - ring) + 1e-6
    # Evenly, but for the faintest.
    steps = np.diff(np.where(found < 0, found + 0.03, found - 0.03))
    assert steps == pytest.approx(np.full(7, steps[0]), abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 15])
def test_no_contrast_that_nobody_has_seen_is_none_at_all(count):
    found = [change.factor * 0.6 + change.offset - 0.5 for change in evenly(look(0.1), count, 0.3)]
    assert len(found) == count and min(map(abs, found)) >= 0.03 - 1e-9


@pytest.mark.parametrize(("ring", "contrast"), [(0.15, -0.25), (0.85, 0.3)])
def test_copies_are_not_cut_off_at_black_or_white(ring, contrast):
    """Structures in dark surroundings cannot be as much darker as the target shows them."""
    image, mask = ball(0.05, ring=ring, sd=0.04)
    seen = measure(image, mask, SPACING)
    target = [look(contrast + 0.01 * n, std=0.04) for n in range(6)]
    for change, _ in draw([seen], target, 8, np.random.default_rng(0))[0]:
        values = rescale(image, mask, *change)[mask]
        assert np.mean((values <= 0) | (values >= 1)) < 0.25 and values.std() > 0.02


def test_what_is_absent_or_has_no_ring_is_not_changed():
    nothing = Appearance(0.0, float("nan"), float("nan"), float("nan"))
    assert towards(nothing, 0.1) is None and evenly(nothing, 4, 0.3) == []
    assert towards(Appearance(10.0, 0.5, 0.1, float("nan")), 0.1) is None


def contrasts(sources, wanted):
    return np.array(
        [
            source.mean * change.factor + change.offset - (source.mean - source.contrast)
            for source, of_case in zip(sources, wanted, strict=True)
            for change, _ in of_case
        ]
    )


def test_copies_are_distributed_as_the_target_is_whatever_the_source_is():
    """Dark tumours in the source, bright ones and a few dark ones in the target: the set of copies has both."""
    rng = np.random.default_rng(0)
    sources = [look(value) for value in rng.normal(-0.15, 0.03, 40)]
    target = [look(value) for value in [*rng.normal(0.3, 0.04, 24), *rng.normal(-0.1, 0.02, 8)]]
    changes = draw(sources, target, 4, np.random.default_rng(1))
    assert [len(of_case) for of_case in changes] == [4] * 40
    found = contrasts(sources, changes)
    wanted = np.array([one.contrast for one in target])
    assert found.mean() == pytest.approx(wanted.mean(), abs=0.03)
    # Wider than what was found: SD of half as much again, in squares.
    assert found.std() == pytest.approx(wanted.std() * 1.25**0.5, rel=0.15)
    assert np.mean(found < 0) == pytest.approx(0.25, abs=0.1)
    # Drawn, not predicted: a case's contrast says nothing about what it gets.
    of_case = found.reshape(40, 4).mean(axis=1)
    assert abs(np.corrcoef(of_case, [one.contrast for one in sources])[0, 1]) < 0.35


def test_large_tumours_get_the_looks_of_large_ones():
    volumes = np.geomspace(300, 9000, 30)
    sources = [look(0.1, volume_mm3=volume) for volume in volumes]
    target = [look(0.2 if volume > 1500 else -0.2, std=0.01, volume_mm3=volume) for volume in volumes]
    found = contrasts(sources, draw(sources, target, 4, np.random.default_rng(0))).reshape(30, 4)
    assert found[20:].mean() - found[:10].mean() > 0.2


def test_copies_take_the_target_s_sizes_where_asked():
    """Half as wide as the target's: what a diameter times 1.25 can do is done; half of the sources need less."""
    rng = np.random.default_rng(0)
    sources = [look(0.1, volume_mm3=volume) for volume in rng.lognormal(6.3, 0.5, 40)]
    target = [look(0.2 + 0.01 * n, volume_mm3=volume) for n, volume in enumerate(rng.lognormal(7.0, 0.5, 20))]
    plain, sized = (draw(sources, target, 4, np.random.default_rng(1), sizes) for sizes in (False, True))
    assert [[one.change for one in case] for case in plain] == [[one.change for one in case] for case in sized]
    assert {one.diameter for case in plain for one in case} == {1.0}
    diameters = np.array([[one.diameter for one in case] for case in sized])
    assert diameters.max() == 1.25 and diameters.min() >= 0.8 and np.median(diameters) > 1.15

    def copies(wanted):
        return [
            look(
                one.change.offset + one.change.factor * source.mean - 0.5,
                volume_mm3=source.volume_mm3 * one.diameter**3,
            )
            for source, case in zip(sources, wanted, strict=True)
            for one in case
        ]

    assert energy_distance(copies(sized), target) < 0.5 * energy_distance(copies(plain), target)


def test_the_distance_of_equal_sets_is_nothing_and_copies_halve_it():
    rng = np.random.default_rng(0)

    def cases(contrast):
        return [look(rng.normal(contrast, 0.1), volume_mm3=rng.lognormal(7, 1)) for _ in range(30)]

    target, source = cases(0.2), cases(-0.1)
    assert energy_distance(target, target) == pytest.approx(0.0, abs=1e-12)
    copies = [
        look(one.mean * change.factor + change.offset - 0.5, volume_mm3=one.volume_mm3)
        for one, of_case in zip(source, draw(source, target, 4, rng), strict=True)
        for change, diameter in of_case
        if diameter == 1.0
    ]
    assert energy_distance(source + copies, target) < 0.5 * energy_distance(source, target)
    assert np.isnan(energy_distance(target[:1], target))
    assert np.isnan(energy_distance(target, [target[0], target[0]]))


def test_the_distance_of_thousands_of_copies_needs_little_room():
    rng = np.random.default_rng(0)
    many = [look(contrast, volume_mm3=np.exp(volume)) for contrast, volume in rng.normal(size=(3000, 2))]
    tracemalloc.start()
    try:
        found = energy_distance(many, many[:40])
        assert tracemalloc.get_traced_memory()[1] < 40e6  # all distances at once: 72 MB
    finally:
        tracemalloc.stop()
    first, second = (np.array([(one.contrast, np.log(one.volume_mm3)) for one in part]) for part in (many, many[:40]))
    first, second = first / second.std(axis=0), second / second.std(axis=0)
    between, inside, among = (cdist(a, b).mean() for a, b in ((first, second), (first, first), (second, second)))
    assert found == pytest.approx(2 * between - inside - among)


def test_by_chance_sets_of_one_kind_are_as_far_apart_as_is_said():
    rng = np.random.default_rng(0)

    def some(count):
        return [look(contrast, volume_mm3=np.exp(volume)) for contrast, volume in rng.normal(size=(count, 2))]

    pairs = [(some(20), some(12)) for _ in range(300)]
    found = np.mean([energy_distance(one, other) for one, other in pairs])
    assert np.mean([chance_distance(20, other) for _, other in pairs]) == pytest.approx(found, rel=0.1)
