"""Folds of a tiny nnU-Net: they follow the seed, resume to the same weights, and start where they are told to."""

import csv
import json

import pytest
import torch
from safetensors.torch import load_file

from gbaseg.runtime.curves import Curves
from gbaseg.segmentation.ensemble import Ensemble
from gbaseg.segmentation.schedule import one_cycle
from gbaseg.segmentation.trainer import Trainer
from gbaseg.segmentation.training import train_folds

pytestmark = pytest.mark.training

QUANTITIES = ["learning_rate", "patch_dice", "train_loss", "validation_loss"]


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
    assert not list(workspace.root.rglob("*.pth*"))
    assert not list(tmp_path.glob("*partial*"))


def test_the_schedule_goes_from_step_to_step_where_asked(train, tmp_path, monkeypatch):
    rates, step = [], Trainer.train_step

    def watched(self, batch):
        done = step(self, batch)
        rates.append(self.optimizer.param_groups[0]["lr"])
        return done

    monkeypatch.setattr(Trainer, "train_step", watched)
    train("fold", schedule="one_cycle", optimiser="adamw")
    assert rates == pytest.approx([0.01 * one_cycle(done) for done in (0.0, 0.25, 0.5, 0.75)])


def test_members_of_a_fold_differ_by_their_seeds_alone(
    prepared, workspace, model, run_here, tmp_path, monkeypatch, equal
):
    started = []
    monkeypatch.setattr(
        "gbaseg.segmentation.trainer.Trainer.do_split",
        lambda self, split=Trainer.do_split: (started.append((self.fold, found := split(self))), found)[1],
    )
    out = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr("gbaseg.segmentation.training.run", run_here)
        given = {"folds": range(2), "epochs": 1, "seed": 5, "name": "m", "members": 2}
        train_folds(workspace, out, tmp_path / "curves", prepared.settings, **given)
    names = ["fold_0", "fold_0_member_1", "fold_1", "fold_1_member_1"]
    assert sorted(path.stem for path in out.glob("*.safetensors")) == names
    assert sorted(path.name for path in (tmp_path / "curves").iterdir()) == names
    weights = {name: load_file(out / f"{name}.safetensors") for name in names}
    for fold in (0, 1):
        assert equal(weights[f"fold_{fold}"], load_file(model / f"fold_{fold}.safetensors")), "what a single one is"
        assert not equal(weights[f"fold_{fold}"], weights[f"fold_{fold}_member_1"])
    held_out = {(fold, tuple(sorted(val))) for fold, (_, val) in started}
    assert len(started) == 4 and len(held_out) == 2, "a fold's members hold out the same patients"
    everybody = Ensemble(out, prepared.settings.prediction)
    assert [path.stem for path in everybody.files] == names and everybody.members == 4
    of_one = Ensemble(out, prepared.settings.prediction, [1])
    assert [path.stem for path in of_one.files] == names[2:], "what fold 1 has not seen is asked of both of it"


def test_the_budget_is_that_of_the_settings(train, monkeypatch):
    steps = []
    for name in ("train_step", "validation_step"):
        step = getattr(Trainer, name)
        monkeypatch.setattr(
            Trainer, name, lambda self, batch, step=step, name=name: (steps.append(name), step(self, batch))[1]
        )
    train("fold", iterations_per_epoch=3, validation_iterations=2)
    assert steps == 2 * (3 * ["train_step"] + 2 * ["validation_step"])


def test_weights_follow_the_seed(train, tmp_path, equal):
    first, again, other = train("first"), train("again"), train("other", seed=8)
    assert equal(first, again)
    assert not equal(first, other)
    files = [(tmp_path / f"{name}.safetensors").read_bytes() for name in ("first", "again")]
    assert files[0] == files[1], "equal weights hash equal: DVC must not see a change where there is none"


@pytest.mark.parametrize("settings", [{}, {"optimiser": "adamw", "schedule": "one_cycle"}], ids=["sgd", "adamw"])
def test_a_resumed_run_gives_the_same_weights_and_whole_curves(
    train, workspace, tmp_path, monkeypatch, equal, settings
):
    class Interrupted(Exception):
        pass

    def interrupt(self, step, values):
        raise Interrupted

    whole = train("whole", **settings)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Curves, "log", interrupt)
        train("cut", **settings)
    assert [path.name for path in workspace.root.rglob("*.pth*")] == ["checkpoint_latest.pth"]
    assert not (tmp_path / "cut.safetensors").exists()

    epochs = []
    end = Trainer.on_epoch_end
    monkeypatch.setattr(Trainer, "on_epoch_end", lambda self: (epochs.append(self.current_epoch), end(self))[1])
    resumed = train("cut", **settings)
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
def test_a_fold_that_is_asked_to_end_writes_a_checkpoint_first(train, monkeypatch, equal):
    from gbaseg.runtime import ending

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


def test_a_warm_start_begins_at_the_given_weights(train, tmp_path, equal):
    """With steps too small to move a float, what comes out is what went in."""
    before = train("before", seed=1)
    still = {"learning_rate": 1e-30}
    warm = train("warm", seed=2, warm_start=tmp_path / "before.safetensors", **still)
    assert equal(warm, before)
    assert not equal(train("cold", seed=2, **still), before)


def test_a_model_folder_holds_weights_plans_and_description_of_the_data(model, prepared, equal):
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
