"""Four tiny scans of three patients, prepared for nnU-Net and trained on once: importing nnU-Net takes seconds."""

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gbaseg.runtime.store import Store
from gbaseg.segmentation import dataset
from gbaseg.segmentation.dataset import TrainingItem, prepare
from gbaseg.segmentation.settings import NetworkSettings, SegmentationSettings
from gbaseg.segmentation.training import train_fold, train_folds
from gbaseg.segmentation.workspace import Workspace
from gbaseg.volume import Grid, Volume, write

# Three stages: with two nnU-Net's deep supervision has no loss left.
SETTINGS = SegmentationSettings(
    folds=2, iterations_per_epoch=2, validation_iterations=1,
    network=NetworkSettings(patch_size_zyx=(8, 16, 16), batch_size=2, features=(2, 4, 4), convs_per_stage=1),
)  # fmt: skip
STRUCTURES = {"VS": 1}
SCAN_SPACING_ZYX_MM = (2.0, 1.0, 1.0)
SPACING_ZYX_MM = (1.5, 0.75, 0.75)
PATIENTS = {"a": "ann", "a_copy": "ann", "b": "bob", "c": "cem"}


@dataclass(frozen=True)
class Tiny:
    """The scans, how they are trained on, and what came out."""

    items: list[TrainingItem]
    structures: dict[str, int]
    settings: SegmentationSettings
    spacing_zyx_mm: tuple[float, float, float]
    workspace: Workspace
    plans: dict


@contextmanager
def _cpu():
    """The machine of these tests; takes back what nnU-Net's settings leave in the environment.

    What prepares training sets runs here: each process would import nnU-Net for seconds.
    """
    with (
        mock.patch.dict(os.environ, {"GBASEG_DEVICE": "cpu", "GBASEG_WORKERS": "1"}),
        mock.patch.object(dataset, "run", _run_here),
    ):
        yield


@pytest.fixture(autouse=True)
def on_the_cpu():
    with _cpu():
        yield


def _run_here(tasks, **_):
    """In the place of workers, each of which would import nnU-Net for itself."""
    return [task.function(**task.arguments) for task in tasks]


@pytest.fixture
def run_here():
    """What stands in for the engine in what prepares, for whoever trains without workers, too."""
    return _run_here


def _write_scans(folder: Path) -> list[TrainingItem]:
    rng = np.random.default_rng(0)
    items = []
    for index, (name, patient) in enumerate(PATIENTS.items()):
        label = np.zeros((12, 24, 24), np.uint8)
        label[4:8, 8:14, 6 + index : 12 + index] = 1
        image = (0.3 * rng.random(label.shape) + 0.5 * label).astype(np.float32)
        grid = Grid(label.shape, SCAN_SPACING_ZYX_MM)
        item = TrainingItem(name, patient, folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz")
        write(Volume(image, grid), item.image)
        write(Volume(label, grid), item.label)
        items.append(item)
    return items


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Tiny:
    """The training set; nothing may be written into its workspace."""
    return make(tmp_path_factory.mktemp("segmentation"))


def make(folder: Path) -> Tiny:
    """A prepared training set."""
    items, workspace = _write_scans(folder / "scans"), Workspace(folder / "nnunet")
    with _cpu():
        plans = prepare(items, STRUCTURES, SETTINGS, 3, workspace, Store(folder / "store"), SPACING_ZYX_MM)
    # nnU-Net's planner gives tuples, which JSON has not.
    return Tiny(items, STRUCTURES, SETTINGS, SPACING_ZYX_MM, workspace, json.loads(json.dumps(plans)))


@pytest.fixture(scope="session")
def model(prepared, tmp_path_factory) -> Path:
    """Model folder of both folds."""
    folder = tmp_path_factory.mktemp("model")
    workspace = Workspace(folder / "nnunet")
    shutil.copytree(prepared.workspace.root, workspace.root)
    with _cpu():
        train_folds(
            workspace, folder / "model", folder / "curves", SETTINGS, folds=range(2), epochs=1, seed=5, name="tiny"
        )
    return folder / "model"


@pytest.fixture
def workspace(prepared, tmp_path) -> Workspace:
    """A copy of the prepared workspace, to train in."""
    copy = Workspace(tmp_path / "nnunet")
    shutil.copytree(prepared.workspace.root, copy.root)
    return copy


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


@pytest.fixture
def equal():
    """Whether two networks have the same weights, bit by bit."""

    def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
        return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)

    return same
