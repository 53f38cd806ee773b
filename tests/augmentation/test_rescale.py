"""Eq. 5."""

import numpy as np
import pytest

from gbaseg.augmentation.rescale import rescale


def test_eq_5_inside_and_bit_identity_outside():
    image = np.random.default_rng(0).random((2, 5, 6), dtype=np.float32)
    mask = np.zeros(image.shape, np.uint8)
    mask[1, 1:4, 2:5] = 2
    before = image.copy()
    out = rescale(image, mask, 0.7)
    assert np.array_equal(out[mask == 0], image[mask == 0])
    np.testing.assert_allclose(out[mask > 0], 0.7 * image[mask > 0], rtol=1e-6)
    assert np.array_equal(image, before) and out.dtype == np.float32


def test_clipped_to_one():
    out = rescale(np.array([[0.2, 0.8]]), np.ones((1, 2)), 1.5)
    np.testing.assert_allclose(out, [[0.3, 1.0]], rtol=1e-6)


def test_eq_5_on_the_other_scale():
    """METHOD 5: on [-1, 1] the same is lambda x + lambda - 1."""
    image, factor = np.array([[0.1, 0.4]]), 0.6
    signed = image * 2 - 1
    np.testing.assert_allclose(rescale(image, np.ones((1, 2)), factor) * 2 - 1, factor * signed + factor - 1, atol=1e-6)


def test_faulty_calls():
    with pytest.raises(ValueError, match="shape"):
        rescale(np.zeros((2, 2)), np.zeros((3, 2)), 1.0)
    with pytest.raises(ValueError, match="positive"):
        rescale(np.zeros((2, 2)), np.zeros((2, 2)), 0.0)
