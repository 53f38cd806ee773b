"""The gradient penalty (WGAN-GP) and its convolutions."""

import pytest
import torch

from gbaseg.augmentation.singan.networks import Discriminator, initialise
from gbaseg.augmentation.singan.penalty import convolve, gradient_penalty


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


@pytest.mark.parametrize("width", [1, 5])
def test_convolve_has_the_derivatives_of_a_convolution(width):
    draw = torch.Generator().manual_seed(0)
    shapes = [(2, width, 7, 9), (3, width, 3, 3), (3,)]
    given = [torch.randn(shape, generator=draw, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.equal(convolve(*given), torch.conv2d(*given))
    assert torch.autograd.gradcheck(convolve, given)
    images, weight, bias = given

    def image_gradient(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad((convolve(images, weight, bias) * scale).sum(), images, create_graph=True)[0]

    scale = torch.randn(2, 3, 5, 7, generator=draw, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(image_gradient, (weight, scale))


def test_fast_and_plain_penalties_give_the_same_gradients():
    network = Discriminator(6)
    initialise(network, torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(8.0)  # a gradient that is not small
    real, fake = torch.rand(2, 1, 1, 24, 20, generator=torch.Generator().manual_seed(1))
    found = []
    for fast in (False, True):
        network.zero_grad()
        penalty = gradient_penalty(network, real, fake, torch.tensor(0.4), fast=fast)
        penalty.backward()
        # Norms take out a bias before them, for which PyTorch then has no gradient.
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in network.parameters()]
        found.append((penalty.detach(), gradients))
    (plain, of_plain), (fast, of_fast) = found
    torch.testing.assert_close(fast, plain)
    assert any(gradient.abs().max() > 1e-2 for gradient in of_plain)
    for ours, theirs in zip(of_fast, of_plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
