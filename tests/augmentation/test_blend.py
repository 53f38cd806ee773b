"""Eq. 7."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gbaseg.augmentation.blend import blend, blend_mask
from gbaseg.augmentation.rescale import rescale


def test_the_mask_falls_from_one_to_exactly_zero():
    mask = np.zeros((128, 128), np.uint8)
    mask[50:70, 55:75] = 1
    y_hat = blend_mask(mask)
    assert y_hat.max() == 1 and y_hat.min() == 0
    # 7 px of dilation + 4 sigma of 5 px = 27 px.
    assert y_hat[60, 74 + 27] > 0 and y_hat[60, 74 + 29] == 0
    assert np.all(np.diff(y_hat[60, 65:]) <= 0)


def test_the_dilation_is_a_disc():
    mask = np.zeros((41, 41), np.uint8)
    mask[20, 20] = 1
    y_hat = blend_mask(mask, dilation_px=7, sigma_px=0.0)
    assert y_hat[20, 27] == 1 and y_hat[20, 28] == 0
    assert y_hat[24, 25] == 1 and y_hat[25, 25] == 0  # sqrt(41) <= 7 < sqrt(50)


def test_empty_and_full_masks():
    assert not blend_mask(np.zeros((9, 9))).any()
    assert np.all(blend_mask(np.ones((9, 9))) == 1)


def test_eq_7():
    rng = np.random.default_rng(0)
    psi, x_lambda = rng.random((2, 6, 6), dtype=np.float32)
    y_hat = np.full((6, 6), 0.25, np.float32)
    np.testing.assert_allclose(blend(psi, x_lambda, x_lambda, y_hat), 0.25 * psi + 0.75 * x_lambda, rtol=1e-6)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    centre=st.tuples(st.integers(0, 63), st.integers(0, 63)),
    radius=st.integers(0, 6),
    dilation=st.integers(0, 4),
    sigma=st.floats(0.3, 3.0),
    factor=st.floats(0.2, 4.0),
)
def test_away_from_the_mask_the_pseudo_target_stands_bit_for_bit(seed, centre, radius, dilation, sigma, factor):
    x, psi = np.random.default_rng(seed).random((2, 64, 64), dtype=np.float32)
    yy, xx = np.mgrid[:64, :64]
    away = np.hypot(yy - centre[0], xx - centre[1])
    mask = away <= radius
    y_hat = blend_mask(mask, dilation, sigma)
    out = blend(psi, rescale(x, mask, factor), x, y_hat)
    assert np.array_equal(out[y_hat == 0].view(np.uint32), x[y_hat == 0].view(np.uint32))
    reach = radius + dilation + np.sqrt(2) * (int(4 * sigma + 0.5) + 1)
    assert np.all(y_hat[away > reach] == 0)
    assert out.min() >= 0 and out.max() <= 1 and out.dtype == np.float32
