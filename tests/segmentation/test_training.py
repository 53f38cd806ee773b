"""Folds of a tiny nnU-Net: they follow the seed, resume to the same weights, and start where they are told to."""

import csv
import json

import pytest
import torch
from safetensors.torch import load_file

from gbaseg.runtime.curves import Curves
from gbaseg.segmentation.training import train_fold

QUANTITIES = ["learning_rate", "patch_dice", "train_loss", "validation_loss"]


@pytest.fixture
def train(prepared, workspace, tmp_path, monkeypatch):
    """Train fold 0 for 2 epochs of 2 iterations, with a checkpoint after the first; gives the weights by name."""
    monkeypatch.setattr("gbaseg.segmentation.trainer.CHECKPOINT_EVERY", 1)

    def call(name: str, seed: int = 7, warm_start=None, **settings) -> dict[str, torch.Tensor]:
        train_fold(
            workspace,
            tmp_path / f"{name}.safetensors",
            tmp_path / "curves" / name,
            prepared.settings.model_copy(update=settings),
            fold=0,
            epochs=2,
            seed=seed,
            name=name,
            warm_start=warm_start,
        )
        return load_file(tmp_path / f"{name}.safetensors")

    return call


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def curve(folder, quantity: str) -> list[tuple[int, float]]:
    with (folder / f"{quantity}.tsv").open(newline="") as stream:
        return [(int(row["step"]), float(row[quantity])) for row in csv.DictReader(stream, delimiter="\t")]


def test_weights_and_curves_are_written_and_no_checkpoint_stays(train, workspace, tmp_path):
    weights = train("fold")
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert sorted(path.name for path in (tmp_path / "curves/fold").iterdir()) == [f"{name}.tsv" for name in QUANTITIES]
    # SGD's polynomial decay: 0.01 (1 - epoch / epochs)^0.9.
    assert curve(tmp_path / "curves/fold", "learning_rate") == [(0, 0.01), (1, pytest.approx(0.01 * 0.5**0.9))]
    assert all(0 <= dice <= 1 for _, dice in curve(tmp_path / "curves/fold", "patch_dice"))
    assert not list(workspace.root.rglob("*.pth"))
    assert not list(tmp_path.glob("*.partial"))


def test_the_budget_is_that_of_the_settings(train, monkeypatch):
    from gbaseg.segmentation.trainer import Trainer

    steps = []
    for name in ("train_step", "validation_step"):
        step = getattr(Trainer, name)
        monkeypatch.setattr(
            Trainer, name, lambda self, batch, step=step, name=name: (steps.append(name), step(self, batch))[1]
        )
    train("fold", iterations_per_epoch=3, validation_iterations=2)
    assert steps == 2 * (3 * ["train_step"] + 2 * ["validation_step"])


def test_weights_follow_the_seed(train, tmp_path):
    first, again, other = train("first"), train("again"), train("other", seed=8)
    assert equal(first, again)
    assert not equal(first, other)
    files = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("first", "again")]
    assert files[0] == files[1], "equal weights hash equal: DVC must not see a change where there is none"


def test_a_resumed_run_gives_the_same_weights_and_whole_curves(train, workspace, tmp_path, monkeypatch):
    class Interrupted(Exception):
        pass

    def interrupt(self, step, values):
        raise Interrupted

    whole = train("whole")
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Curves, "log", interrupt)
        train("cut")
    [checkpoint] = workspace.root.rglob("*.pth")
    assert checkpoint.name == "checkpoint_latest.pth"
    assert not (tmp_path / "cut.safetensors").exists()

    from gbaseg.segmentation.trainer import Trainer

    epochs = []
    end = Trainer.on_epoch_end
    monkeypatch.setattr(Trainer, "on_epoch_end", lambda self: (epochs.append(self.current_epoch), end(self))[1])
    resumed = train("cut")
    assert epochs == [1]
    assert equal(whole, resumed)
    assert (tmp_path / "cut.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    for quantity in QUANTITIES:
        assert curve(tmp_path / "curves/cut", quantity) == curve(tmp_path / "curves/whole", quantity)


@pytest.mark.unusual(
    "Interruptions", "a fold's finished weights or curves cut off on the disk", "that fold alone is trained again"
)
def test_a_finished_fold_is_not_trained_again_unless_it_is_damaged(train, tmp_path):
    train("fold")
    weights, loss = tmp_path / "fold.safetensors", tmp_path / "curves/fold/train_loss.tsv"
    whole = weights.read_bytes(), loss.read_bytes()
    made = weights.stat().st_mtime_ns
    train("fold")
    assert weights.stat().st_mtime_ns == made
    for path in (weights, loss):
        path.write_bytes(path.read_bytes()[:-3])
        train("fold")
        assert (weights.read_bytes(), loss.read_bytes()) == whole


@pytest.mark.unusual(
    "Interruptions", "SIGTERM while a fold is trained", "a checkpoint after that epoch, and the same weights in the end"
)
def test_a_fold_that_is_asked_to_end_writes_a_checkpoint_first(train, monkeypatch):
    from gbaseg.runtime import ending
    from gbaseg.segmentation.trainer import Trainer

    whole = train("whole")
    monkeypatch.setattr("gbaseg.segmentation.trainer.CHECKPOINT_EVERY", 10)
    monkeypatch.setattr(ending, "_state", ending._State())
    step = Trainer.train_step

    def asked_in_the_first_epoch(self, batch):
        ending._asked(15, None)
        return step(self, batch)

    monkeypatch.setattr(Trainer, "train_step", asked_in_the_first_epoch)
    with pytest.raises(ending.Ended) as ended:
        train("fold")
    assert ended.value.code == 143
    monkeypatch.setattr(Trainer, "train_step", step)
    monkeypatch.setattr(ending, "_state", ending._State())
    steps = []
    monkeypatch.setattr(Trainer, "train_step", lambda self, batch: (steps.append(1), step(self, batch))[1])
    assert equal(train("fold"), whole)
    assert len(steps) == 2, "of two epochs, the first was done"


def test_a_warm_start_begins_at_the_given_weights(train, tmp_path):
    """With steps too small to move a float, what comes out is what went in."""
    before = train("before", seed=1)
    still = {"learning_rate": 1e-30}
    warm = train("warm", seed=2, warm_start=tmp_path / "before.safetensors", **still)
    assert equal(warm, before)
    assert not equal(train("cold", seed=2, **still), before)


def test_a_model_folder_holds_weights_plans_and_description_of_the_data(model, prepared):
    assert sorted(path.name for path in model.iterdir()) == [
        "dataset.json",
        "fold_0.safetensors",
        "fold_1.safetensors",
        "plans.json",
    ]
    assert json.loads((model / "plans.json").read_text()) == prepared.plans
    # The training images' paths are no part of it.
    assert json.loads((model / "dataset.json").read_text()) == {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "VS": 1},
        "numTraining": 4,
        "file_ending": ".nii.gz",
    }
    first, second = (load_file(model / f"fold_{fold}.safetensors") for fold in range(2))
    assert not equal(first, second)
    assert sorted(path.name for path in (model.parent / "curves").iterdir()) == ["fold_0", "fold_1"]
