"""Folds of a tiny nnU-Net: they follow the seed, resume to the same weights, and start where they are told to."""

import csv
import json
import pickle
import re
from pathlib import Path

import blosc2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gbaseg.errors import UserError
from gbaseg.runtime.checkpoint import before, save_checkpoint
from gbaseg.runtime.curves import Curves
from gbaseg.segmentation.ensemble import Ensemble
from gbaseg.segmentation.planning import PLANS_NAME, adapt_plans
from gbaseg.segmentation.schedule import one_cycle
from gbaseg.segmentation.settings import NetworkSettings
from gbaseg.segmentation.trainer import Trainer
from gbaseg.segmentation.training import train_fold, train_folds

pytestmark = pytest.mark.training

QUANTITIES = ["learning_rate", "patch_dice", "train_loss", "validation_loss"]


@pytest.fixture
def train(prepared, workspace, tmp_path, monkeypatch):
    """Train fold 0 for 2 epochs of 2 iterations, with a checkpoint after the first; gives the weights by name."""
    monkeypatch.setattr("gbaseg.segmentation.trainer.CHECKPOINT_EVERY", 1)

    def call(name: str, seed: int = 7, warm_start=None, epochs: int = 2, **settings) -> dict[str, torch.Tensor]:
        train_fold(
            workspace,
            tmp_path / f"{name}.safetensors",
            tmp_path / "curves" / name,
            prepared.settings.model_copy(update=settings),
            fold=0,
            epochs=epochs,
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
    assert not list(workspace.root.rglob("*.pth*"))
    assert not list(tmp_path.glob("*partial*"))


def test_the_schedule_goes_from_step_to_step_where_asked(train, tmp_path, monkeypatch):
    from gbaseg.segmentation.trainer import Trainer

    rates, step = [], Trainer.train_step

    def watched(self, batch):
        done = step(self, batch)
        rates.append(self.optimizer.param_groups[0]["lr"])
        return done

    monkeypatch.setattr(Trainer, "train_step", watched)
    train("fold", schedule="one_cycle", optimiser="adamw")
    assert rates == pytest.approx([0.01 * one_cycle(done) for done in (0.0, 0.25, 0.5, 0.75)])


def test_members_of_a_fold_differ_by_their_seeds_alone(prepared, workspace, model, run_here, tmp_path, monkeypatch):
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


@pytest.mark.parametrize("settings", [{}, {"optimiser": "adamw", "schedule": "one_cycle"}], ids=["sgd", "adamw"])
def test_a_resumed_run_gives_the_same_weights_and_whole_curves(train, workspace, tmp_path, monkeypatch, settings):
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

    from gbaseg.segmentation.trainer import Trainer

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


def test_the_checkpoint_before_a_nan_stays_and_is_gone_on_from(train, workspace, monkeypatch):
    from gbaseg.segmentation.trainer import Trainer

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
    from gbaseg.segmentation.trainer import Trainer

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
def test_a_damaged_checkpoint_is_passed_over(train, interrupt, workspace, capsys):
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
def test_a_planted_checkpoint_runs_nothing(train, workspace, tmp_path, capsys, how):
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
def test_a_planted_pickle_beside_a_case_is_not_read(train, workspace, tmp_path):
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


@pytest.mark.parametrize(("named", "axes"), [(None, {0, 1, 2}), ([], set()), (["x"], {2})])
def test_a_training_mirrors_along_the_axes_that_are_named(train, workspace, monkeypatch, named, axes):
    """What nnU-Net draws from: all three, where nothing is named."""
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform

    seen, apply = set(), MirrorTransform._apply_to_image
    monkeypatch.setattr(
        MirrorTransform,
        "_apply_to_image",
        lambda self, image, **how: (seen.update(how["axes"]), apply(self, image, **how))[1],
    )
    if named is not None:
        path = workspace.preprocessed / f"{PLANS_NAME}.json"
        plans = adapt_plans(json.loads(path.read_text()), NetworkSettings(mirrored=named), (1.5, 0.75, 0.75))
        path.write_text(json.dumps(plans))
    train("fold", iterations_per_epoch=8)
    assert seen == axes


@pytest.mark.parametrize(("named", "degrees"), [(None, 180), (["x"], 30), ([], 30), (["y", "x"], 180)])
def test_flat_patches_are_not_turned_upside_down_where_they_are_not_mirrored_so(workspace, named, degrees):
    """nnU-Net turns patches of few slices by up to 180 degrees in plane."""
    from gbaseg.segmentation.trainer import Trainer

    path = workspace.preprocessed / f"{PLANS_NAME}.json"
    network = NetworkSettings(patch_size_zyx=(4, 32, 32), features=(2, 4, 4), mirrored=named)
    plans = adapt_plans(json.loads(path.read_text()), network, (1.5, 0.75, 0.75))
    plans["continue_training"] = False
    workspace.enter()
    dataset = json.loads((workspace.preprocessed / "dataset.json").read_text())
    trainer = Trainer(plans, "3d_fullres", 0, dataset, torch.device("cpu"))
    rotation, in_plane, _, _ = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert in_plane and np.degrees(rotation) == pytest.approx([-degrees, degrees])


@pytest.mark.parametrize("slices", [1, 2, 3, 4, 6])
def test_nnunets_augmentation_takes_patches_of_few_slices(slices):
    """Its random blur reflects up to 3 voxels at the ends of an axis, and failed where there are not as many."""
    from gbaseg.segmentation.trainer import Trainer

    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - what nnU-Net draws from
    shape = (slices, 16, 16)
    transforms = Trainer.get_training_transforms(shape, (-3.1, 3.1), None, (0, 1, 2), slices < 6, foreground_labels=[1])
    blurs = [one.transform for one in transforms.transforms if "Blur" in type(getattr(one, "transform", one)).__name__]
    assert len(blurs) == 1
    for _ in range(40):
        image = torch.randn(1, *shape)
        blurred = blurs[0](image=image.clone(), segmentation=torch.zeros(1, *shape, dtype=torch.int16))["image"]
        assert blurred.shape == image.shape and torch.isfinite(blurred).all()
        if not torch.equal(blurred, image):  # half of them
            # Along the slices where they are enough: of one bright slice the others know.
            flat = torch.zeros(1, *shape)
            flat[:, slices // 2] = 1.0
            spread = blurs[0](image=flat.clone(), segmentation=torch.zeros(1, *shape, dtype=torch.int16))["image"]
            assert torch.allclose(spread, flat, atol=1e-5) or slices > 3
        out = transforms(image=torch.randn(1, *shape), segmentation=torch.zeros(1, *shape, dtype=torch.int16))
        assert out["image"].shape == (1, *shape) and torch.isfinite(out["image"]).all()
