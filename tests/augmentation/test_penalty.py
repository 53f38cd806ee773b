"""The gradient penalty (WGAN-GP)."""

import pytest
import torch

from gbaseg.augmentation.singan.penalty import gradient_penalty


def test_gradient_penalty_of_a_linear_critic():
    """A critic of slope s a pixel: |gradient| = s, penalty (s - 1)^2."""
    real, fake = torch.rand(2, 1, 1, 12, 12)
    assert float(gradient_penalty(lambda images: 3.0 * images, real, fake, torch.tensor(0.3))) == pytest.approx(4.0)


def test_the_point_lies_between_fake_and_real():
    """Of a critic x^2 / 2 the gradient is x itself."""
    real, fake = torch.full((1, 1, 3, 3), 5.0), torch.full((1, 1, 3, 3), 2.0)
    for at, point in ((0.0, 2.0), (1.0, 5.0), (0.5, 3.5)):
        penalty = gradient_penalty(lambda images: images**2 / 2, real, fake, torch.tensor(at))
        assert float(penalty.detach()) == pytest.approx((point - 1.0) ** 2)
