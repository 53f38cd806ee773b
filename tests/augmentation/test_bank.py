"""Several SinGANs side by side in one network."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.bank import mean_of_each, share_of_each, side_by_side, take_apart
from gbaseg.augmentation.singan.networks import Discriminator, Generator, initialise
from gbaseg.augmentation.singan.training import Wanted, train_bank, train_singan

CPU = torch.device("cpu")
SETTINGS = SinGANSettings(min_size=16, scale_factor=0.7, iterations=3, width=4, max_width=8, learning_rate=1e-3)


def _networks(kind, count):
    made = []
    for seed in range(count):
        network = kind(4).double()
        initialise(network, torch.Generator().manual_seed(seed))
        made.append(network)
    return made


@pytest.mark.parametrize("kind", [Generator, Discriminator])
def test_each_model_does_what_it_does_alone(kind):
    alone = _networks(kind, 3)
    bank = side_by_side(alone)
    images = torch.rand(2, 3, 17, 19, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    given = (images, images.flip(0)) if kind is Generator else (images,)
    found = bank(*given)
    for place, network in enumerate(alone):
        one = slice(place, place + 1)
        torch.testing.assert_close(found[:, one], network(*(part[:, one] for part in given)), rtol=1e-12, atol=1e-14)
    # The statistics of the norms, too, have moved on as they did alone.
    back = _networks(kind, 3)
    take_apart(bank, back)
    for network, other in zip(back, alone, strict=True):
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-12, atol=1e-14, msg=name)


def test_means_and_shares():
    values = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert torch.equal(mean_of_each(values), torch.stack([values[:, model].mean() for model in range(3)]))
    assert share_of_each(values) == 1 / 8


@pytest.mark.parametrize("mode", ["fast", "reference"])
@pytest.mark.training
def test_a_bank_trains_the_models_that_are_trained_alone(mode, tmp_path, monkeypatch):
    """In float32, up to rounding, which Adam enlarges where a gradient is next to nothing: hence the low rate."""
    monkeypatch.setattr("gbaseg.augmentation.singan.written_losses.short_float", lambda device: torch.float32)
    monkeypatch.setattr("gbaseg.runtime.precision.short_float", lambda device: torch.float32)
    rng = np.random.default_rng(0)
    images = [rng.random((24, 28), dtype=np.float32) for _ in range(3)]
    settings = SETTINGS.model_copy(update={"mode": mode, "learning_rate": 1e-6})
    told = {}
    bank = train_bank(
        [Wanted(image, seed, tmp_path / "bank" / str(seed)) for seed, image in enumerate(images)],
        settings,
        CPU,
        on_scale=lambda place, report: told.setdefault(place, []).append(report),
    )
    for seed, (image, model) in enumerate(zip(images, bank, strict=True)):
        reports = []
        wanted = Wanted(image, seed, tmp_path / "alone" / str(seed))
        alone = train_singan(wanted, settings, CPU, on_scale=reports.append)
        for report, own in zip(told[seed], reports, strict=True):
            # Both losses depend on each random number of the iteration, and on the weights that each step has left.
            assert asdict(report) == pytest.approx(asdict(own), rel=1e-2, abs=1e-6)
        assert model.amplitudes == pytest.approx(alone.amplitudes, rel=1e-4)
        torch.testing.assert_close(model.reconstruct(), alone.reconstruct(), rtol=0, atol=3e-3)
    assert not torch.allclose(bank[0].reconstruct(), bank[1].reconstruct(), atol=0.1)


@pytest.mark.training
def test_a_bank_goes_on_where_all_its_models_were(tmp_path):
    """What one model has finished and another has not is trained again, the rest is not; the end is the same."""
    rng = np.random.default_rng(0)
    images = [rng.random((24, 28), dtype=np.float32) for _ in range(2)]

    def train(folder):
        wanted = [Wanted(image, seed, tmp_path / folder / str(seed)) for seed, image in enumerate(images)]
        return [model.reconstruct() for model in train_bank(wanted, SETTINGS, CPU)]

    whole = train("whole")
    first = train("parts")
    paths = sorted((tmp_path / "parts").glob("*/scale_*.pt"))
    written = {path: path.stat().st_mtime_ns for path in paths}
    (tmp_path / "parts" / "1" / "scale_01.pt").unlink()
    assert all(torch.equal(one, other) for one, other in zip(whole, first, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(whole, train("parts"), strict=True))
    kept = [path for path in paths if path.stat().st_mtime_ns == written[path]]
    assert [path.name for path in kept] == ["scale_00.pt"] * 2 and len(paths) > 4


@pytest.mark.training
def test_slices_of_two_sizes_are_no_bank(tmp_path):
    wanted = [Wanted(np.zeros(shape, np.float32), 1, tmp_path) for shape in ((24, 24), (24, 28))]
    with pytest.raises(ValueError, match="one shape"):
        train_bank(wanted, SETTINGS, CPU)
