"""Folds of nnU-Net as jobs of a real SLURM: two at once on two nodes, to the weights that this machine gives."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from gbaseg.runtime.place import placed
from gbaseg.segmentation.training import train_folds
from gbaseg.segmentation.workspace import Workspace

pytestmark = [pytest.mark.processes, pytest.mark.training]

# The training set of the segmentation's own tests.
_spec = importlib.util.spec_from_file_location(
    "segmentation_tests", Path(__file__).parents[1] / "segmentation" / "conftest.py"
)
assert _spec and _spec.loader
_segmentation = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _segmentation  # its dataclasses ask for it
_spec.loader.exec_module(_segmentation)
prepared = _segmentation.prepared


def train(prepared, folder, name="tiny"):
    workspace = Workspace(folder / "nnunet")
    shutil.copytree(prepared.workspace.root, workspace.root)
    model = folder / "model"
    train_folds(workspace, model, folder / "curves", prepared.settings, range(2), epochs=2, seed=5, name=name)
    return {path.name: path.read_bytes() for path in sorted(model.glob("*.safetensors"))}


def test_two_folds_on_two_nodes_are_those_of_this_machine_to_the_bit(site, prepared, monkeypatch, capfd):
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    with placed(None):
        here = train(prepared, site.folder / "here")
    with site.stage(memory_gib=2):
        there = train(prepared, site.folder / "there")
    assert list(here) == ["fold_0.safetensors", "fold_1.safetensors"] and there == here
    said = capfd.readouterr().err
    assert {"on n1" in said, "on n2" in said} == {True} and os.environ["GBASEG_DEVICE"] == "cpu"
    curves = [
        sorted(path.name for path in (site.folder / where / "curves" / "fold_1").iterdir())
        for where in ("here", "there")
    ]
    assert curves[0] == curves[1] != []
