"""SinGAN's training, on a slice of 32 x 32 (METHOD 5)."""

import gc
import json
import re
import weakref

import numpy as np
import pytest
import torch

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.iteration import Chance, Iteration
from gbaseg.augmentation.singan.model import load_singan, save_singan
from gbaseg.augmentation.singan.priors import Serial
from gbaseg.augmentation.singan.training import Wanted, networks, train_bank, train_singan
from gbaseg.errors import UserError

CPU = torch.device("cpu")
SETTINGS = SinGANSettings(min_size=16, scale_factor=0.7, iterations=4, width=4, max_width=4, learning_rate=5e-3)


@pytest.fixture
def image():
    yy, xx = np.mgrid[:32, :32] / 31.0
    texture = np.random.default_rng(0).normal(0, 0.05, (32, 32))
    return np.clip(0.3 + 0.5 * (np.hypot(yy - 0.5, xx - 0.4) < 0.25) + texture, 0, 1).astype(np.float32)


def _weights(model):
    return [tensor for generator in model.generators for tensor in generator.state_dict().values()]


def _equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(_weights(one), _weights(other), strict=True))


@pytest.mark.training
def test_seeds_and_scales(image, tmp_path):
    reports = []
    model = train_singan(Wanted(image, 1, tmp_path / "a"), SETTINGS, CPU, on_scale=reports.append)
    assert [(report.height, report.width) for report in reports] == model.pyramid.sizes
    assert len(model.generators) == len(model.amplitudes) == model.last_scale + 1
    torch.manual_seed(99)  # the global generator must not matter
    assert _equal(model, train_singan(Wanted(image, 1, tmp_path / "b"), SETTINGS, CPU))
    assert not _equal(model, train_singan(Wanted(image, 2, tmp_path / "c"), SETTINGS, CPU))


@pytest.mark.training
def test_an_interrupted_training_ends_with_the_same_weights(image, tmp_path):
    whole = train_singan(Wanted(image, 1, tmp_path / "whole"), SETTINGS, CPU)

    class Interrupted(Exception):
        pass

    def interrupt(report):
        if report.scale == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_singan(Wanted(image, 1, tmp_path / "parts"), SETTINGS, CPU, on_scale=interrupt)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.pt")}
    assert sorted(kept) == ["scale_00.pt", "scale_01.pt"]
    reports = []
    resumed = train_singan(Wanted(image, 1, tmp_path / "parts"), SETTINGS, CPU, on_scale=reports.append)
    assert {name: (tmp_path / "parts" / name).stat().st_mtime_ns for name in kept} == kept
    assert _equal(whole, resumed) and resumed.amplitudes == whole.amplitudes
    assert [report.scale for report in reports] == list(range(whole.last_scale + 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.training
def test_a_gpu_that_replays_iterations_ends_where_one_that_does_not_ends(image, tmp_path, monkeypatch):
    settings = SETTINGS.model_copy(update={"iterations": 12})

    def train(folder, count):
        wanted = [Wanted(np.roll(image, seed), seed, tmp_path / folder / str(seed)) for seed in range(count)]
        return train_bank(wanted, settings, torch.device("cuda"))

    with torch.backends.cudnn.flags(enabled=True, deterministic=True):
        replayed = [train(f"replayed{count}", count) for count in (1, 2)]
        monkeypatch.setattr("gbaseg.runtime.graphs._WARM_UP", 10**9)
        plain = [train(f"plain{count}", count) for count in (1, 2)]
    for ours, theirs in zip([*replayed[0], *replayed[1]], [*plain[0], *plain[1]], strict=True):
        for one, other in zip(_weights(ours), _weights(theirs), strict=True):
            torch.testing.assert_close(one, other, rtol=0.02, atol=2e-3)


@pytest.mark.training
def test_the_rate_falls_to_a_tenth_at_its_part_of_the_iterations(image, tmp_path, monkeypatch):
    rates, run = [], Iteration.run

    def spied(self, *given):
        rates.append([group["lr"] for optimiser in self._optimisers for group in optimiser.param_groups])
        run(self, *given)

    monkeypatch.setattr(Iteration, "run", spied)
    settings = SETTINGS.model_copy(update={"iterations": 5, "decay_at_fraction": 0.6})
    model = train_singan(Wanted(image, 1, tmp_path), settings, CPU)
    assert rates == [pytest.approx([rate] * 2) for rate in [5e-3] * 3 + [5e-4] * 2] * (model.last_scale + 1)


@pytest.mark.training
def test_a_finished_scale_is_freed_at_once():
    """A GPU's recording in a cycle of references would be freed at any time, during the next recording too."""
    generator, discriminator = networks(4, 1, None, None)
    real = torch.zeros(1, 1, 16, 16)
    iteration = Iteration(generator, discriminator, real, (real, real), SETTINGS)
    iteration.run([Chance(Serial(lambda count: real), 0.1, torch.Generator())])
    gone = weakref.ref(iteration)
    gc.disable()
    try:
        del iteration
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.training
def test_noise_amplitude_is_a_tenth_of_what_the_scale_below_cannot_say(image, tmp_path):
    model = train_singan(Wanted(image, 1, tmp_path), SETTINGS, CPU)
    assert model.amplitudes[0] == 1.0
    real = model.resize(model.image, model.pyramid.size(1))
    all_generators = model.generators
    model.generators = all_generators[:1]
    upsampled = model.resize(model.reconstruct(), model.pyramid.size(1))
    assert model.amplitudes[1] == pytest.approx(0.1 * float(((real - upsampled) ** 2).mean().sqrt()), rel=1e-6)
    model.generators = all_generators


@pytest.mark.training
def test_the_reconstruction_improves_with_training(image, tmp_path):
    errors = []
    for iterations in (1, 20):
        settings = SETTINGS.model_copy(update={"iterations": iterations, "width": 6, "max_width": 6})
        reports = []
        train_singan(Wanted(image, 1, tmp_path / str(iterations)), settings, CPU, on_scale=reports.append)
        errors.append(reports[-1].reconstruction_rmse)
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.training
def test_frozen_scales_keep_their_running_statistics(image, tmp_path):
    model = train_singan(Wanted(image, 1, tmp_path), SETTINGS, CPU)
    before = [tensor.clone() for tensor in _weights(model)]
    draw = torch.Generator().manual_seed(0)
    one = model.sample(3, draw)
    assert all(torch.equal(a, b) for a, b in zip(before, _weights(model), strict=True))
    assert one.shape == (3, 1, 32, 32) and not torch.equal(one[0], one[1])


def test_weights_start_from_the_scale_below_where_the_width_is_equal():
    generator, discriminator = networks(4, 1, None, None)
    same_g, same_d = networks(4, 2, generator, discriminator)
    assert torch.equal(same_g.layers[0].weight, generator.layers[0].weight)
    assert torch.equal(same_d.layers[0].weight, discriminator.layers[0].weight)
    wider, _ = networks(8, 2, generator, discriminator)
    assert wider.layers[0].weight.shape[0] == 8


@pytest.mark.training
def test_a_saved_model_is_the_same_model(image, tmp_path):
    model = train_singan(Wanted(image, 1, tmp_path / "scratch"), SETTINGS, CPU)
    save_singan(model, tmp_path / "one.safetensors")
    loaded = load_singan(tmp_path / "one.safetensors", CPU)
    assert _equal(model, loaded)
    assert (loaded.amplitudes, loaded.pyramid, loaded.settings) == (model.amplitudes, model.pyramid, model.settings)
    assert torch.equal(loaded.reconstruct(), model.reconstruct())
    save_singan(loaded, tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


@pytest.mark.training
def test_faulty_slices(tmp_path):
    with pytest.raises(UserError, match="min_size"):
        train_singan(Wanted(np.zeros((16, 16), np.float32), 1, tmp_path), SETTINGS, CPU)
    for wrong in (np.zeros((2, 32, 32)), np.full((32, 32), 1.5), np.full((32, 32), np.nan)):
        with pytest.raises(ValueError, match="2D slice"):
            train_singan(Wanted(wrong, 1, tmp_path), SETTINGS, CPU)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("mode", ["fast", "reference"])
@pytest.mark.parametrize(
    ("rate", "found"),
    [
        pytest.param(
            1e9,
            "loss generator is not finite",
            marks=pytest.mark.unusual(
                "Interruptions",
                "a learning rate at which a loss of a SinGAN becomes NaN",
                "the training stops: losses, scale, iteration, rate, the key to lower; no model",
            ),
        ),
        (1.0, "the reconstructed slice is"),
        (100.0, "the reconstructed slice is"),
    ],
)
@pytest.mark.training
def test_a_training_that_diverges_stops(image, tmp_path, count, mode, rate, found):
    settings = SETTINGS.model_copy(update={"mode": mode, "learning_rate": rate, "iterations": 20})
    wanted = [Wanted(np.roll(image, seed), seed, tmp_path / str(seed)) for seed in range(count)]
    with pytest.raises(UserError, match=found) as fault:
        train_bank(wanted, settings, CPU, name="SinGAN shared")
    said = str(fault.value)
    assert said.startswith("SinGAN shared: ") and "iteration 20 of 20" in said
    assert f"learning rate of {0.1 * rate:g}" in said and "Lower augmentation.singan.learning_rate" in said
    # At the lowest of the rates the order of a processor's sums decides in which scale it is noticed.
    scale = int(re.search(r"in scale (\d) of", said)[1])
    assert scale == 0 or rate == 1.0
    assert len({path.name for path in tmp_path.rglob("*.pt")}) == scale
    assert said.endswith(f"the scales below {scale}") is bool(scale)


@pytest.mark.training
def test_a_long_scale_is_not_trained_to_its_end_on_nan(image, tmp_path, monkeypatch):
    monkeypatch.setattr("gbaseg.augmentation.singan.scale._LOOK_EVERY", 3)
    settings = SETTINGS.model_copy(update={"learning_rate": 1e9, "iterations": 1000})
    with pytest.raises(UserError, match=r"iteration [369] of 1000"):
        train_singan(Wanted(image, 1, tmp_path), settings, CPU)


@pytest.mark.unusual(
    "Interruptions",
    "a flipped byte in a SinGAN's checkpoint of one scale",
    "said; that scale and those above are trained again, to the same weights",
)
@pytest.mark.training
def test_a_damaged_checkpoint_of_a_scale_is_trained_again(image, tmp_path, capsys, monkeypatch):
    whole = train_singan(Wanted(image, 1, tmp_path), SETTINGS, CPU)
    path = tmp_path / "scale_01.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    trained, run = [], Iteration.run
    monkeypatch.setattr(Iteration, "run", lambda self, chances: (trained.append(1), run(self, chances))[1])
    again = train_singan(Wanted(image, 1, tmp_path), SETTINGS, CPU)
    assert _equal(whole, again)
    assert len(trained) == SETTINGS.iterations * whole.last_scale  # all scales but the coarsest
    said = capsys.readouterr().err
    assert "scale_01.pt: damaged checkpoint" in said and "training goes on at scale 1" in said


@pytest.mark.unusual("Trust", "a SinGAN's file with other numbers in its header", "a fault that names the file")
@pytest.mark.training
def test_a_files_numbers_are_checked(image, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    model = train_singan(Wanted(image, 1, tmp_path / "scratch"), SETTINGS, CPU)
    path = tmp_path / "model.safetensors"
    save_singan(model, path)
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        numbers = json.loads(file.metadata()["singan"])
    for change in ({"last_scale": 10**9}, {"shape": [0, -3]}, {"amplitudes": ["x"]}, {"command": "rm"}, {"ratio": 2.0}):
        save_file(tensors, path, {"singan": json.dumps({**numbers, **change})})
        with pytest.raises(UserError, match=r"model\.safetensors: not a SinGAN"):
            load_singan(path, CPU)
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"model\.safetensors: not a SinGAN"):
        load_singan(path, CPU)
    save_file(
        {name: tensor for name, tensor in tensors.items() if ".1.layers.0" not in name},
        path,
        {"singan": json.dumps(numbers)},
    )
    with pytest.raises(UserError, match="its weights of scale 1"):
        load_singan(path, CPU)
