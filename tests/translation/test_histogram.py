"""Intensities in their order, with another distribution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbaseg.translation.histogram import Histogram, mean_quantiles, quantiles_of

SHAPE = (6, 20, 20)


def scan(seed: int, power: float, top: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Intensities u^power in a head, air of 0.01 around it."""
    mask = np.zeros(SHAPE, bool)
    mask[:, 3:17, 3:17] = True
    values = top * np.random.default_rng(seed).random(SHAPE) ** power
    return np.where(mask, values, 0.01).astype(np.float32), mask


def fitted() -> Histogram:
    return Histogram(mean_quantiles(scan(n, 2.0) for n in range(3)), mean_quantiles(scan(n, 0.5) for n in range(3, 6)))


@given(st.integers(6, 50), st.floats(0.5, 1.0))
def test_a_source_image_has_the_targets_distribution_whatever_its_scale(seed, top):
    image, mask = scan(seed, 2.0, top)
    matched = fitted().to_target(image, mask)
    np.testing.assert_allclose(quantiles_of(matched, mask), fitted().target, atol=0.01)


def test_the_order_of_intensities_stays_and_air_is_left_alone():
    """Noisy air as bright as the darkest of the head: mapped along it would come to lie in the head."""
    image, mask = scan(7, 2.0)
    image = np.where(mask, image, 0.12 * np.random.default_rng(1).random(SHAPE, np.float32))
    matched = fitted().to_target(image, mask)
    order = np.argsort(image[mask], kind="stable")
    assert (np.diff(matched[mask][order]) >= 0).all()
    assert np.array_equal(matched[~mask], image[~mask])
    assert matched.dtype == np.float32 and matched.min() >= 0.0 and matched.max() <= 1.0


def test_a_head_that_is_partly_of_one_intensity():
    """Cut off at 0, as standard images are: a third of it is 0, and gets the middle of what a third has there."""
    image, mask = scan(9, 2.0)
    image[mask & (image < np.quantile(image[mask], 0.33))] = 0.0
    matched = fitted().to_target(image, mask)
    zero = matched[mask & (image == 0)]
    assert np.ptp(zero) == 0 and zero[0] == pytest.approx(np.quantile(matched[mask], 0.165), abs=0.35)
    assert matched[mask].mean() == pytest.approx(fitted().target.mean(), abs=0.01)


def test_there_and_back():
    """Up to what its own distribution differs from the mean of its domain."""
    image, mask = scan(8, 2.0)
    histogram = fitted()
    again = histogram.to_source(histogram.to_target(image, mask), mask)
    assert np.abs(again - image)[mask].mean() < 0.02


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_an_image_of_one_intensity_is_no_error(value):
    flat = np.full(SHAPE, value, np.float32)
    out = fitted().to_target(flat, np.zeros(SHAPE, bool))
    assert np.isfinite(out).all() and np.ptp(out) == 0
