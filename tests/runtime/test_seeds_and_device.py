"""Seeds and devices."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gbaseg.errors import UserError
from gbaseg.runtime import device
from gbaseg.runtime.device import VARIABLE, choose_device, computed_on, is_gpu, would_compute_on
from gbaseg.runtime.seeds import derive, numpy_generator, torch_generator


def test_derived_seeds_are_fixed_for_ever():
    # The number itself: a change would silently change everybody's results.
    assert derive(1, "singan", "case_7") == 6551953119622042711
    assert derive(0) == 4761921975702974394
    assert len({derive(seed, name) for seed in range(20) for name in ("a", "b")}) == 40
    assert derive(1, "a", "b") != derive(1, "a/b2")
    assert 0 <= derive(0) < 2**63


def test_generators_repeat():
    assert numpy_generator(1, "x").random() == numpy_generator(1, "x").random()
    cpu = torch.device("cpu")
    assert torch.equal(
        torch.rand(3, generator=torch_generator(5, cpu)), torch.rand(3, generator=torch_generator(5, cpu))
    )


def test_device_by_name(monkeypatch):
    monkeypatch.setenv(VARIABLE, "cpu")
    assert choose_device() == torch.device("cpu")
    monkeypatch.setenv(VARIABLE, "toaster")
    with pytest.raises(UserError, match="--device toaster"):
        choose_device()
    monkeypatch.setenv(VARIABLE, "cuda:99")
    with pytest.raises(UserError, match="cuda:99"):
        choose_device()


def test_what_was_computed_on_is_named(monkeypatch):
    monkeypatch.setenv(VARIABLE, "cpu")
    assert computed_on() == would_compute_on() == "cpu"
    monkeypatch.setenv(VARIABLE, "cuda:99")
    assert computed_on() == "cpu"  # asked for where nothing is computed
    with pytest.raises(UserError, match="cuda:99"):
        would_compute_on()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.delenv(device.VISIBLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")
    monkeypatch.setattr(device, "_DRIVERS", (Path("/"),))
    for count, name in ((1, "NVIDIA H100"), (2, "2 x NVIDIA H100")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert computed_on() == would_compute_on() == name
    monkeypatch.delitem(sys.modules, "torch")
    assert computed_on() == "cpu"  # a stage that has no use for a GPU


def test_torch_is_asked_for_a_gpu_where_a_driver_or_a_card_shows_itself(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(device, "choose_device", lambda: SimpleNamespace(type="cuda"))
    monkeypatch.setattr(device, "_DRIVERS", ())
    monkeypatch.setattr(device, "_CARDS", tmp_path)
    assert not is_gpu()
    (tmp_path / "0000:00:01.0").mkdir()
    vendor = tmp_path / "0000:00:01.0" / "vendor"
    vendor.write_text("0x8086\n")
    assert not is_gpu()
    vendor.write_text("0x10de\n")
    assert is_gpu()
    monkeypatch.setenv(VARIABLE, "cpu")
    assert not is_gpu()
    monkeypatch.setenv(VARIABLE, "toaster")
    with pytest.raises(UserError, match="--device toaster"):
        is_gpu()
