"""Antialiased bicubic, a = -0.5."""

import numpy as np
import pytest
import torch

from gbaseg.augmentation.singan.resize import resize


def _kernel(x, a=-0.5):
    """Keys' cubic kernel."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _matrix(size_in, size_out):
    """Weights (out, in): the kernel stretched where the image shrinks, cut at the border, sum 1."""
    scale = size_in / size_out
    stretch = max(scale, 1.0)
    centres = (np.arange(size_out)[:, None] + 0.5) * scale
    weights = _kernel((np.arange(size_in)[None] + 0.5 - centres) / stretch)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(29, 33), (20, 25), (61, 60), (25, 70)])
def test_against_the_formula(size):
    image = np.random.default_rng(0).uniform(-1, 1, (40, 47))
    expected = _matrix(40, size[0]) @ image @ _matrix(47, size[1]).T
    out = resize(torch.tensor(image)[None, None], size)[0, 0].numpy()
    np.testing.assert_allclose(out, expected, atol=1e-9)


def test_eight_bits_are_truncated_and_clipped():
    """256 levels; what is a level stays one, what lies between falls to the one below."""
    levels = torch.arange(256).reshape(1, 1, 16, 16) / 127.5 - 1.0
    assert torch.allclose(resize(levels, (16, 16), eight_bit=True), levels, atol=1e-6)
    between = levels + 0.9 / 127.5
    assert torch.allclose(resize(between, (16, 16), eight_bit=True), levels, atol=1e-6)
    edge = torch.ones(1, 1, 16, 16) * 3.0
    edge[..., 8:] = -3.0
    for size in ((16, 16), (40, 40), (9, 9)):
        assert resize(edge, size, eight_bit=True).abs().max() <= 1.0
    assert resize(edge, (40, 40)).abs().max() > 3.0  # cubic overshoot is kept otherwise
