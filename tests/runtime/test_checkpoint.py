"""Weights and checkpoints: whole, finite, and nothing in them is executed."""

import math
import os
import pickle
import random

import pytest
import torch
from safetensors.torch import save_file

from gbaseg.errors import UserError
from gbaseg.runtime.checkpoint import forget, load_checkpoint, load_weights, save_checkpoint, save_weights

STATE = {"weights": {"a": torch.arange(300.0)}, "history": [{"loss": 0.25}], "random": (3, (1, 2), None), "epoch": 4}


def same(state, wanted=STATE):
    return torch.equal(state["weights"]["a"], wanted["weights"]["a"]) and {
        key: value for key, value in state.items() if key != "weights"
    } == {key: value for key, value in wanted.items() if key != "weights"}


def test_what_is_read_is_what_was_written(tmp_path):
    save_checkpoint(STATE, tmp_path / "run.pt")
    assert same(load_checkpoint(tmp_path / "run.pt"))
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_the_one_before_stays_until_both_are_forgotten(tmp_path):
    path = tmp_path / "run.pt"
    for epoch in (1, 2, 3):
        save_checkpoint({**STATE, "epoch": epoch}, path)
    assert load_checkpoint(path)["epoch"] == 3
    path.unlink()  # as a kill between the two moves leaves it
    assert load_checkpoint(path)["epoch"] == 2
    forget(path)
    assert load_checkpoint(path) is None and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(5))
def test_any_flipped_bit_and_any_cut_is_found(tmp_path, capsys, seed):
    path, draw = tmp_path / "run.pt", random.Random(seed)
    for damage in ("flip", "cut", "longer"):
        save_checkpoint({**STATE, "epoch": 1}, path)
        save_checkpoint(STATE, path)
        content = bytearray(path.read_bytes())
        if damage == "flip":
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        elif damage == "cut":
            del content[draw.randrange(len(content)) :]
        else:
            content += b"0"
        path.write_bytes(content)
        assert load_checkpoint(path)["epoch"] == 1
        assert "run.pt.before" in capsys.readouterr().err
        assert not path.exists()


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "run.pt"
    save_checkpoint(STATE, path)
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint({"weights": lambda: None}, path)
    assert same(load_checkpoint(path)) and [one.name for one in tmp_path.iterdir()] == ["run.pt"]


class Command:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def test_a_command_in_it_is_not_run(tmp_path, capsys):
    path, mark = tmp_path / "run.pt", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Command(mark)))
    assert load_checkpoint(path) is None
    assert "no checkpoint of this version of gbaseg; beginning anew" in capsys.readouterr().err
    save_checkpoint(Command(mark), path)  # whoever can write there can write a checksum
    assert load_checkpoint(path) is None
    assert "no checkpoint of tensors and plain values" in capsys.readouterr().err
    assert not mark.exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path, value):
    path, weights = tmp_path / "m.safetensors", {"good": torch.ones(3), "bad": torch.tensor([1.0, value])}
    with pytest.raises(UserError, match=r"m\.safetensors: weights that are not finite .* in bad"):
        save_weights(weights, path)
    assert list(tmp_path.iterdir()) == []
    save_file(weights, path)
    with pytest.raises(UserError, match=r"m\.safetensors: weights that are not finite .* in bad"):
        load_weights(path)


def test_whole_numbers_are_always_finite(tmp_path):
    save_weights({"steps": torch.tensor(5), "empty": torch.zeros(0)}, tmp_path / "m", {"about": "x"})
    tensors, about = load_weights(tmp_path / "m")
    assert int(tensors["steps"]) == 5 and about == {"about": "x"}


def test_a_file_that_is_missing_damaged_or_a_pickle_is_named(tmp_path):
    path, mark = tmp_path / "m.safetensors", tmp_path / "ran"
    with pytest.raises(UserError, match=r"m\.safetensors: not there; `dvc checkout`"):
        load_weights(path)
    for content in (b"", b"\xff" * 40, pickle.dumps(Command(mark))):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"m\.safetensors: damaged, or no weights"):
            load_weights(path)
    assert not mark.exists()
