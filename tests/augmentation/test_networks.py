"""The networks of a scale (METHOD 5)."""

import pytest
import torch

from gbaseg.augmentation.singan.networks import Discriminator, Generator, initialise


@pytest.mark.parametrize(("width", "count"), [(32, 28_609), (64, 112_513), (128, 446_209)])
@pytest.mark.parametrize("network", [Generator, Discriminator])
def test_parameter_counts(network, width, count):
    assert sum(parameter.numel() for parameter in network(width).parameters()) == count


def test_the_discriminator_sees_patches_of_11_by_11():
    network = Discriminator(4).eval()
    initialise(network, torch.Generator().manual_seed(0))
    image = torch.rand(1, 1, 31, 33, requires_grad=True)
    scores = network(image)
    assert scores.shape == (1, 1, 21, 23)
    scores[0, 0, 10, 7].backward()
    seen = image.grad[0, 0] != 0
    assert seen[10:21, 7:18].all() and seen.sum() == 11 * 11


def test_the_generator_adds_at_most_one_to_its_prior():
    network = Generator(4)
    initialise(network, torch.Generator().manual_seed(0))
    prior, noise = torch.rand(2, 1, 20, 26), torch.rand(2, 1, 20, 26) * 50
    out = network(noise, prior)
    assert out.shape == prior.shape and (out - prior).abs().max() <= 1.0
    assert (out - prior).abs().max() > 0


def test_noise_and_prior_enter_as_their_sum():
    network = Generator(4).eval()
    prior, noise = torch.rand(2, 1, 1, 14, 14)
    assert torch.allclose(network(noise, prior) - prior, network(prior, noise) - noise, atol=1e-6)


def test_starting_weights_come_from_the_seed_alone():
    networks = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        network = Discriminator(8)
        initialise(network, torch.Generator().manual_seed(5))
        networks.append(network.state_dict())
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])
    assert networks[0]["layers.3.weight"].std() == pytest.approx(0.02, rel=0.15)
