"""SinGANs: what was trained before is not trained again; a round has one of its own where its slice shows no tumour."""

import numpy as np
import pytest
import torch

from gbaseg import params
from gbaseg.augmentation.settings import AugmentationSettings, Rule, SinGANSettings
from gbaseg.augmentation.singan import training
from gbaseg.augmentation.singan.model import load_singan
from gbaseg.params import Params
from gbaseg.runtime.ledger import read_lines
from gbaseg.stages import train_singan
from gbaseg.stages.train_singan import what_matters
from gbaseg.workflow.singans import TRAINED, Chosen, banks_of, train, train_all

SINGAN = SinGANSettings(min_size=16, scale_factor=0.7, iterations=1, width=4, max_width=4)


def settings(factor=1.4, **changes):
    rules = [Rule(name="all", lambdas=[factor], k_star=[1])]
    singan = SINGAN.model_copy(update={"models_at_once": 8, **changes})
    return Params(augmentation=AugmentationSettings(rules=rules, singan=singan))


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Calls `train_all`; counts models trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    count = 0
    train_bank = training.train_bank

    def counted(wanted, *args, **kwargs):
        nonlocal count
        count += len(wanted)
        return train_bank(wanted, *args, **kwargs)

    monkeypatch.setattr(training, "train_bank", counted)
    calls = 0

    def call(image, what, **others):
        nonlocal calls
        calls += 1
        folder = tmp_path / str(calls)
        folder.mkdir()
        before = count
        chosen = {name: Chosen(one, {}) for name, one in {"shared": image, **others}.items()}
        now = train_all(chosen, what, folder / "work", folder, folder / "curves")
        assert now == count - before
        assert {path.stem for path in folder.glob("*.safetensors")} == {"shared", *others}
        curves = {path.name: path.read_bytes() for path in (folder / "curves" / "shared").iterdir()}
        return count, (folder / "shared.safetensors").read_bytes(), curves

    return call


@pytest.mark.training
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


@pytest.mark.training
def test_a_model_that_is_found_is_no_measure_of_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    image = np.random.default_rng(0).random((24, 24), dtype=np.float32)
    monkeypatch.setattr(train_singan, "chosen_slices", lambda _: {"shared": Chosen(image, {})})
    monkeypatch.setattr(params, "load", settings)
    monkeypatch.setattr(train_singan, "check_ahead", lambda *_: None)  # of a data set; there is none here
    monkeypatch.setattr(train_singan, "read_table", lambda _: [])
    for folder in ("standard", "translated", "pseudo_labelled/survey"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    train_singan.run()
    train_singan.run()
    assert [line.get("found_done") for line in read_lines()] == [None, ["trained before"]]


@pytest.mark.training
def test_of_a_bank_only_what_is_missing_is_trained(trained):
    one, other, third = np.random.default_rng(0).random((3, 24, 24), dtype=np.float32)
    first = trained(one, settings())
    assert trained(one, settings(), other=other, third=third) == (3, *first[1:])
    assert trained(one, settings(), other=other) == (3, *first[1:])


@pytest.mark.training
def test_each_model_of_a_bank_has_its_own_slice_name_and_curves(trained, tmp_path):
    one, other = np.random.default_rng(0).random((2, 24, 24), dtype=np.float32)
    trained(one, settings(), other=other)
    for name, image in (("shared", one), ("other", other)):
        model = load_singan(tmp_path / "1" / f"{name}.safetensors", torch.device("cpu"))
        assert np.allclose(model.image[0, 0].numpy(), 2 * image - 1)
        curve = (tmp_path / "1" / "curves" / name / "noise_amplitude.tsv").read_text().split()
        assert float(curve[-1]) == pytest.approx(model.amplitudes[-1])


def test_a_training_that_fails_leaves_nothing_to_be_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")

    def fail(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(training, "train_bank", fail)
    images = dict(zip("ab", np.random.default_rng(0).random((2, 24, 24), dtype=np.float32), strict=True))
    with pytest.raises(MemoryError):
        train(images, settings(), tmp_path / "work")
    assert not list(TRAINED.folder.iterdir()) and not list(tmp_path.glob("*.safetensors"))


def test_banks_are_of_one_shape_and_not_too_large():
    slices = {name: np.zeros((4, 5) if name in "abd" else (4, 4)) for name in "abcde"}
    assert [list(bank) for bank in banks_of(slices, 2)] == [["a", "b"], ["d"], ["c", "e"]]
    assert [list(bank) for bank in banks_of(slices, 1)] == [["a"], ["b"], ["d"], ["c"], ["e"]]


def test_fewer_models_at_once_go_on_with_a_training_that_was_broken_off():
    assert what_matters(settings(models_at_once=2)) == what_matters(settings(models_at_once=1))
    assert what_matters(settings(iterations=2)) != what_matters(settings(iterations=1))
