"""The CycleGAN's networks: sizes as in the official code (METHOD 3)."""

import pytest
import torch
from torch import nn

from gbaseg.translation.networks import (
    Discriminator,
    Generator,
    from_network,
    initialise,
    smallest_input,
    to_network,
)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv(kernel: int, channels_in: int, channels_out: int) -> int:
    """Weights and biases of one convolution."""
    return kernel**2 * channels_in * channels_out + channels_out


def test_generator_of_the_paper_has_11_365_633_parameters():
    expected = (
        conv(7, 1, 64) + conv(3, 64, 128) + conv(3, 128, 256)
        + 9 * 2 * conv(3, 256, 256)
        + conv(3, 256, 128) + conv(3, 128, 64) + conv(7, 64, 1)
    )  # fmt: skip
    assert parameters(Generator(64, 9)) == expected == 11_365_633


def test_each_halving_doubles_the_channels_of_the_residual_blocks():
    for halvings, channels in ((0, 4), (1, 8), (3, 32)):
        widest = max(part.out_channels for part in Generator(4, 1, halvings).modules() if isinstance(part, nn.Conv2d))
        assert widest == channels


def test_discriminator_of_the_paper_has_2_762_689_parameters():
    expected = conv(4, 1, 64) + conv(4, 64, 128) + conv(4, 128, 256) + conv(4, 256, 512) + conv(4, 512, 1)
    assert parameters(Discriminator(64, 3)) == expected == 2_762_689


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70)])
def test_one_logit_sees_a_patch_of_70_pixels(layers, pixels):
    network = Discriminator(2, layers)
    # Instance norm mixes the whole image; the patch is that of the convolutions.
    convolutions = nn.Sequential(*(part for part in network.net if isinstance(part, nn.Conv2d)))
    for part in convolutions:
        nn.init.constant_(part.weight, 1e-3)
    image = torch.zeros(1, 1, 160, 160, requires_grad=True)
    logits = convolutions(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = image.grad[0, 0] != 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (pixels, pixels)


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (9, 31)])
@pytest.mark.parametrize("halvings", [0, 1, 2, 3])
def test_generator_keeps_any_size(size, halvings):
    image = torch.rand(2, 1, *size) * 2 - 1
    out = Generator(4, 1, halvings)(image)
    assert out.shape == image.shape
    assert float(out.detach().abs().max()) <= 1.0


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_smallest_input_is_the_smallest(layers):
    network, least = Discriminator(2, layers), smallest_input(layers)
    assert network(torch.rand(1, 1, least, least)).shape == (1, 1, 1, 1)
    with pytest.raises((RuntimeError, ValueError)):
        network(torch.rand(1, 1, least - 2**layers, least - 2**layers))


def test_images_of_a_batch_do_not_meet():
    # The training step translates both domains in one batch and relies on it.
    images = torch.rand(2, 1, 16, 16) * 2 - 1
    for network in (Generator(4, 1), Discriminator(4, 1)):
        torch.testing.assert_close(network(images)[:1], network(images[:1]))


def test_initial_weights_are_normal_with_sd_002_and_follow_the_seed():
    first, second = Generator(16, 2), Generator(16, 2)
    for network in (first, second):
        initialise(network, torch.Generator().manual_seed(3))
    weights = torch.cat([p.detach().ravel() for name, p in first.named_parameters() if name.endswith("weight")])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert float(weights.mean()) == pytest.approx(0.0, abs=2e-4)
    assert all(not p.any() for name, p in first.named_parameters() if name.endswith("bias"))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_intensities_go_to_the_networks_and_back():
    assert to_network(torch.tensor([0.0, 0.25, 1.0])).tolist() == [-1.0, -0.5, 1.0]
    assert from_network(torch.tensor([-1.0, -0.5, 1.0])).tolist() == [0.0, 0.25, 1.0]
