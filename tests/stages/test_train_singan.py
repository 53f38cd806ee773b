"""The SinGAN stage: what was trained before is not trained again."""

import numpy as np
import pytest

from gbaseg.augmentation.settings import AugmentationSettings, Rule, SinGANSettings
from gbaseg.augmentation.singan import training
from gbaseg.params import Params
from gbaseg.stages.train_singan import train_one

SINGAN = SinGANSettings(min_size=16, scale_factor=0.7, iterations=1, width=4, max_width=4)


def settings(factor=1.4, **changes):
    rules = [Rule(name="all", lambdas=[factor], k_star=[1])]
    return Params(augmentation=AugmentationSettings(rules=rules, singan=SINGAN.model_copy(update=changes)))


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Calls `train_one`; counts trainings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    count = 0
    train = training.train_singan

    def counted(*args, **kwargs):
        nonlocal count
        count += 1
        return train(*args, **kwargs)

    monkeypatch.setattr(training, "train_singan", counted)
    calls = 0

    def call(image, what):
        nonlocal calls
        calls += 1
        folder = tmp_path / str(calls)
        folder.mkdir()
        train_one(image, what, "shared", folder / "work", folder / "weights", folder / "curves")
        curves = {path.name: path.read_bytes() for path in (folder / "curves").iterdir()}
        return count, (folder / "weights").read_bytes(), curves

    return call


def test_the_same_slice_and_settings_never_train_twice(trained):
    image = np.random.default_rng(0).random((24, 24), dtype=np.float32)
    first = trained(image, settings())
    assert first[0] == 1 and "reconstruction_rmse.tsv" in first[2]
    # Another factor changes the copies, not the model.
    assert trained(image, settings(factor=0.7)) == first
    assert trained(image, settings(iterations=2))[0] == 2
    other = image.copy()
    other[3, 3] += 0.01
    assert trained(other, settings())[0] == 3
    assert trained(image, settings()) == (3, *first[1:])
