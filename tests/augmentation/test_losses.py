"""SinGAN's losses: written-out gradients against automatic ones, in float64."""

from collections import defaultdict

import pytest
import torch

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan import written_losses
from gbaseg.augmentation.singan.bank import side_by_side
from gbaseg.augmentation.singan.losses import Losses
from gbaseg.augmentation.singan.networks import Discriminator, Generator, initialise
from gbaseg.augmentation.singan.written_losses import WrittenLosses

SETTINGS = SinGANSettings(gp_weight=0.7, reconstruction_weight=3.0)
SIZE = (23, 19)


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")),
]


def _images(count, dtype=torch.float64, device="cpu", seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, 1, *SIZE, generator=draw, dtype=torch.float64).to(device, dtype)


def _losses(kind, layout, dtype=torch.float64, device="cpu"):
    """On the same networks each time, with weights large enough that no term of the gradient is small."""
    networks = [Generator(6), Discriminator(6)]
    for seed, network in enumerate(networks):
        initialise(network, torch.Generator().manual_seed(seed))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(8.0)
        network.to(device, dtype, memory_format=layout)
    real, noise, prior = _images(3, dtype, device)
    return kind(*networks, real, (noise, prior), SETTINGS)


def _take(losses, step, noise, prior, at):
    if step == "of_generator":
        return losses.of_generator(noise, prior)
    return losses.of_discriminator(losses.fakes(noise, prior), at)


def _gradients(network):
    # A norm takes out the bias before it: its gradient is 0, or what rounding leaves of it, or none at all.
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for name, parameter in network.named_parameters()
    }


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("step", ["of_discriminator", "of_generator"])
def test_written_gradients_are_those_of_automatic_differentiation(step, layout, device, monkeypatch):
    monkeypatch.setattr(written_losses, "short_float", lambda device: torch.float64)
    noise, prior, _ = _images(3, device=device)
    at = torch.tensor(0.4, dtype=torch.float64, device=device)
    found = []
    for kind in (Losses, WrittenLosses):
        losses = _losses(kind, layout, device=device)
        loss = _take(losses, step, noise, prior, at)
        network = losses.discriminator if step == "of_discriminator" else losses.generator
        both = enumerate((losses.generator, losses.discriminator))
        statistics = {
            f"{which}: {name}": value for which, one in both for name, value in one.named_buffers() if "running" in name
        }
        found.append((loss, _gradients(network), statistics))
    (loss, gradients, statistics), (our_loss, our_gradients, our_statistics) = found
    torch.testing.assert_close(our_loss, loss, rtol=1e-12, atol=1e-12)
    assert sum(float(gradient.norm()) > 1e-2 for gradient in gradients.values()) >= 13
    for name, gradient in gradients.items():
        torch.testing.assert_close(our_gradients[name], gradient, rtol=1e-9, atol=1e-11, msg=name)
    for name, statistic in statistics.items():
        torch.testing.assert_close(our_statistics[name], statistic, rtol=1e-9, atol=1e-11, msg=name)


def test_a_second_step_adds_to_the_gradient_of_the_first():
    losses = _losses(WrittenLosses, torch.channels_last, torch.float32)
    noise, prior, _ = _images(3, torch.float32)
    losses.of_generator(noise, prior)
    once = {name: gradient.clone() for name, gradient in _gradients(losses.generator).items()}
    losses.of_generator(noise, prior)
    for name, gradient in _gradients(losses.generator).items():
        torch.testing.assert_close(gradient, 2.0 * once[name])


def test_the_generators_step_leaves_the_discriminator_without_gradients():
    losses = _losses(WrittenLosses, torch.channels_last, torch.float32)
    losses.of_generator(*_images(2, torch.float32))
    assert all(parameter.grad is None for parameter in losses.discriminator.parameters())


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_gradients_point_the_same_way(device, monkeypatch):
    """Half width costs digits, not directions: the cosine to float32's gradient is over 0.9 for every weight.

    In the mean over eight draws of the images: the six numbers of a norm scatter (one draw of 0.81 on a processor, of
    0.88 on a GPU).
    """
    cosines = defaultdict(list)
    for seed in range(8):
        noise, prior, _ = _images(3, torch.float32, device, seed)
        found = []
        for width in (torch.float32, torch.bfloat16):
            monkeypatch.setattr(written_losses, "short_float", lambda device, width=width: width)
            losses = _losses(WrittenLosses, torch.channels_last, torch.float32, device)
            losses.of_discriminator(losses.fakes(noise, prior), torch.tensor(0.4, device=device))
            found.append(_gradients(losses.discriminator))
        for name in (name for name in found[0] if name.endswith("weight")):
            one, other = (gradients[name].flatten() for gradients in found)
            cosines[name].append(float(torch.nn.functional.cosine_similarity(one, other, dim=0)))
    assert len(cosines) == 9
    for name, values in cosines.items():
        assert sum(values) / len(values) > 0.9, (name, values)
        assert min(values) > 0.5, (name, values)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", [Losses, WrittenLosses])
@pytest.mark.parametrize("step", ["of_discriminator", "of_generator"])
def test_models_side_by_side_have_the_losses_and_gradients_that_each_has_alone(step, kind, device, monkeypatch):
    monkeypatch.setattr(written_losses, "short_float", lambda device: torch.float64)
    draw = torch.Generator().manual_seed(5)
    images = torch.randn(5, 1, 3, *SIZE, generator=draw, dtype=torch.float64).to(device)
    real, noise, prior, other_noise, other_prior = images
    at = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64, device=device)[:, None, None]
    pairs = []
    for seed in range(3):
        pair = Generator(6), Discriminator(6)
        for network in pair:
            initialise(network, torch.Generator().manual_seed(seed))
            network.to(device, torch.float64)
        pairs.append(pair)

    def run(generator, discriminator, models):
        losses = kind(generator, discriminator, real[:, models], (noise[:, models], prior[:, models]), SETTINGS)
        loss = _take(losses, step, other_noise[:, models], other_prior[:, models], at[models])
        return loss, discriminator if step == "of_discriminator" else generator

    loss, bank = run(*(side_by_side(networks) for networks in zip(*pairs, strict=True)), slice(0, 3))
    for model, pair in enumerate(pairs):
        own_loss, own = run(*pair, slice(model, model + 1))
        torch.testing.assert_close(loss[model : model + 1], own_loss, rtol=1e-10, atol=1e-12)
        theirs = _gradients(bank)
        for name, gradient in _gradients(own).items():
            torch.testing.assert_close(theirs[name].chunk(3)[model], gradient, rtol=1e-9, atol=1e-11, msg=name)


def test_fakes_are_made_one_after_the_other(monkeypatch):
    """Three at a time are what three single ones are, each with norms of its own; so is what the norms remember."""
    monkeypatch.setattr(written_losses, "short_float", lambda device: torch.float64)
    noise, prior = torch.randn(2, 3, 1, *SIZE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    plain, written = (_losses(kind, torch.channels_last) for kind in (Losses, WrittenLosses))
    one_by_one = torch.cat([plain.generator(noise[n : n + 1], prior[n : n + 1]) for n in range(3)])
    torch.testing.assert_close(written.fakes(noise, prior), one_by_one, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(written.generator.buffers(), plain.generator.buffers(), strict=True):
        if ours.is_floating_point():
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("width", [torch.float32, torch.bfloat16])
def test_each_step_sees_the_weights_that_the_last_one_left(width, monkeypatch):
    monkeypatch.setattr(written_losses, "short_float", lambda device: width)
    noise, prior = _images(2, torch.float32)
    losses = _losses(WrittenLosses, torch.channels_last, torch.float32)
    before = losses.fakes(noise, prior)
    with torch.no_grad():
        for parameter in losses.generator.parameters():
            parameter.mul_(0.5)
    after = losses.fakes(noise, prior)
    anew = WrittenLosses(losses.generator, losses.discriminator, losses.real, losses.reconstruct_from, SETTINGS).fakes(
        noise, prior
    )
    assert torch.equal(after, anew)
    assert not torch.allclose(after, before, atol=1e-2)
