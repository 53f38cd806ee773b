"""Trainings that diverge, and files that are damaged or planted: said or passed over, and no code of theirs is run."""

import pickle
import re
from pathlib import Path

import blosc2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gbaseg.errors import UserError
from gbaseg.runtime.checkpoint import before, save_checkpoint
from gbaseg.runtime.curves import Curves
from gbaseg.segmentation.trainer import Trainer

pytestmark = pytest.mark.training


def latest(workspace, name="cut"):
    """Where a network's checkpoint lies, whether it is there or not."""
    return workspace.root / f"results/Dataset001_gbaseg/Trainer__nnUNetPlans__3d_fullres/{name}/checkpoint_latest.pth"


@pytest.fixture
def interrupt(train, monkeypatch):
    """Break a training off after so many epochs; one it goes on from is logged again."""

    class Interrupted(Exception):
        pass

    def call(name: str, after: int, **settings):
        told = []

        def log(self, step, values):
            told.append(step)
            if len(told) == after:
                raise Interrupted

        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            patch.setattr(Curves, "log", log)
            train(name, **settings)

    return call


@pytest.mark.unusual(
    "Interruptions",
    "a learning rate at which nnU-Net's loss becomes NaN",
    "the training stops: losses, fold, epoch, rate, the key to lower; no model",
)
def test_a_training_that_diverges_stops(train, workspace, tmp_path):
    with pytest.raises(UserError) as fault:
        train("round_0 fold 0", learning_rate=1e30, iterations_per_epoch=4)
    said = str(fault.value)
    assert said.startswith("round_0 fold 0: loss train_loss is nan")
    assert "in epoch 1 of 2, at a learning rate of 1e+30" in said and "Lower segmentation.learning_rate" in said
    assert not list(tmp_path.glob("*.safetensors")) and not latest(workspace, "round_0 fold 0").exists()
    assert not (tmp_path / "curves").exists()


def test_the_checkpoint_before_a_nan_stays_and_is_gone_on_from(train, workspace, monkeypatch, equal):

    whole = train("whole")
    step, steps = Trainer.train_step, []

    def broken(self, batch):
        steps.append(1)
        return {"loss": np.array(np.nan, np.float32)} if len(steps) == 3 else step(self, batch)

    with monkeypatch.context() as patch, pytest.raises(UserError, match=r"epoch 2 of 2.*gone on from.*latest\.pth"):
        patch.setattr(Trainer, "train_step", broken)
        train("cut")
    assert latest(workspace).is_file()
    assert equal(whole, train("cut"))


def test_weights_that_are_not_finite_are_not_saved_though_all_losses_are(train, workspace, monkeypatch):

    step = Trainer.validation_step

    def after(self, batch):
        done = step(self, batch)
        next(self.plain_network.parameters()).data.flatten()[0] = float("nan")
        return done

    monkeypatch.setattr(Trainer, "validation_step", after)
    with pytest.raises(UserError, match=r"weights .* are not finite in epoch 1 of 2"):
        train("fold")
    assert not latest(workspace, "fold").exists()


@pytest.mark.unusual(
    "Interruptions",
    "a flipped byte in nnU-Net's checkpoint",
    "said; the fold goes on from the checkpoint before it, or begins anew, to the same weights",
)
def test_a_damaged_checkpoint_is_passed_over(train, interrupt, workspace, capsys, equal):
    whole = train("whole", epochs=3)
    interrupt("cut", 2, epochs=3)
    for remark in ("going on from the one before it (checkpoint_latest.pth.before)", "cut begins anew"):
        content = bytearray(latest(workspace).read_bytes())
        content[len(content) // 3] ^= 4
        latest(workspace).write_bytes(content)
        interrupt("cut", 1, epochs=3)  # told of an epoch: of one before, or of the first
        said = capsys.readouterr().err
        assert "damaged checkpoint" in said and remark in said
        if "before" in remark:
            before(latest(workspace)).replace(latest(workspace))
    assert equal(whole, train("cut", epochs=3))


class Command:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("how", ["torch", "pickle", "with our checksum"])
@pytest.mark.unusual(
    "Trust", "a planted checkpoint_latest.pth that runs a command when it is loaded", "said and removed; it is not run"
)
def test_a_planted_checkpoint_runs_nothing(train, workspace, tmp_path, capsys, equal, how):
    whole, mark = train("whole"), tmp_path / "ran"
    latest(workspace, "fold").parent.mkdir(parents=True, exist_ok=True)
    if how == "torch":
        torch.save({"network_weights": Command(mark)}, latest(workspace, "fold"))
    elif how == "pickle":
        latest(workspace, "fold").write_bytes(pickle.dumps(Command(mark)))
    else:
        save_checkpoint({"weights": Command(mark)}, latest(workspace, "fold"))
    assert equal(whole, train("fold"))
    assert not mark.exists()
    assert "checkpoint" in capsys.readouterr().err


@pytest.mark.unusual("Trust", "a planted .pkl among preprocessed cases, or in their store", "it is not read")
def test_a_planted_pickle_beside_a_case_is_not_read(train, workspace, tmp_path, equal):
    whole, mark = train("whole"), tmp_path / "ran"
    [folder] = {path.parent for path in workspace.root.rglob("a.b2nd")}
    for path in folder.glob("?.b2nd"):
        path.with_suffix(".pkl").write_bytes(pickle.dumps(Command(mark)))
    assert equal(whole, train("fold"))
    assert not mark.exists()


@pytest.mark.parametrize("end", ["_seg.b2nd", ".b2nd", ".safetensors"])
@pytest.mark.unusual("Interruptions", "a damaged file of a preprocessed case", "the file is named, with what to do")
def test_a_damaged_case_is_named(train, workspace, end):
    for path in workspace.root.rglob(f"*{end}"):
        path.write_bytes(b"no such thing")
    with pytest.raises(UserError, match=rf"/\w+{re.escape(end)}: damaged"):
        train("fold")


def _mark(inputs, output, offset):
    Path("ran").touch()


@pytest.mark.unusual("Trust", "a preprocessed image that blosc2 would have to compute with code of its own", "a fault")
def test_an_array_that_runs_code_is_no_case(train, workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in list(workspace.root.rglob("?.b2nd")):
        path.unlink()
        operand = blosc2.asarray(np.zeros((1, 12, 24, 24), np.float32), urlpath=str(tmp_path / "o.b2nd"), mode="w")
        blosc2.lazyudf(_mark, (operand,), np.float32, shape=operand.shape).save(urlpath=str(path))
    with pytest.raises(UserError, match=r"\w\.b2nd: damaged, or no file of a preprocessed case"):
        train("fold")
    assert not Path("ran").exists()


@pytest.mark.unusual("Trust", "a warm start from weights that hold a NaN", "the file is named, nothing is trained")
def test_a_warm_start_from_broken_weights_is_refused(train, tmp_path):
    weights = train("before")
    next(iter(weights.values())).flatten()[0] = float("nan")
    save_file(weights, tmp_path / "before.safetensors")
    with pytest.raises(UserError, match=r"before\.safetensors: weights that are not finite"):
        train("warm", warm_start=tmp_path / "before.safetensors")
