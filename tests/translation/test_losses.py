"""The CycleGAN's losses against numbers worked out by hand."""

import math

import pytest
import torch

from gbaseg.translation import losses


def logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


def test_log_loss_is_equation_1():
    # D(real) = 0.8, 0.5; D(fake) = 0.25, 0.1. Eq. 1: E[log D(y)] + E[log(1 - D(G(x)))].
    real, fake = (torch.tensor([logit(p) for p in values]) for values in ((0.8, 0.5), (0.25, 0.1)))
    equation_1 = (math.log(0.8) + math.log(0.5)) / 2 + (math.log(0.75) + math.log(0.9)) / 2
    loss = float(losses.discriminator_adversarial(real, fake, "log"))
    assert -2.0 * loss == pytest.approx(equation_1, rel=1e-6)


def test_log_loss_of_the_generator_is_minus_log_d():
    fake = torch.tensor([logit(0.25), logit(0.1)])
    expected = -(math.log(0.25) + math.log(0.1)) / 2
    assert float(losses.generator_adversarial(fake, "log")) == pytest.approx(expected, rel=1e-6)


def test_log_loss_stays_finite_where_the_discriminator_is_sure():
    sure = torch.tensor([500.0, -500.0])
    assert torch.isfinite(losses.generator_adversarial(sure, "log"))
    assert torch.isfinite(losses.discriminator_adversarial(sure, sure, "log"))


def test_least_squares():
    real, fake = torch.tensor([1.0, 0.0]), torch.tensor([0.5, 2.0])
    # ((0 + 1) / 2 + (0.25 + 4) / 2) / 2, and (0.25 + 1) / 2.
    assert float(losses.discriminator_adversarial(real, fake, "least_squares")) == pytest.approx(1.3125)
    assert float(losses.generator_adversarial(fake, "least_squares")) == pytest.approx(0.625)


def test_cycle_and_identity_are_mean_absolute_differences():
    # Eq. 2: the L1 norm, here as a mean over pixels.
    x, y = torch.tensor([[0.0, 0.5]]), torch.tensor([[0.2, 0.1]])
    assert float(losses.cycle(x, y)) == pytest.approx(0.3)
    assert float(losses.identity(x, y)) == pytest.approx(0.3)
