"""A project with a model of a round and scans, `gbaseg predict` in it, and what it has written there."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.inference import project as rounds
from gbaseg.volume import Grid, Volume, write
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

ROOT = Path(__file__).parents[3]
GRID = Grid((8, 24, 24), (3.0, 2.0, 2.0), origin_xyz_mm=(-3.0, 4.0, 5.0))


class BrightVoxels:
    """In the place of the networks: folds that find what is bright, each as sure of it as `sure` says."""

    sure: tuple[float, ...] = (1.0,)

    def __init__(self, *_):
        self.structures = {"VS": 1}

    @property
    def members(self):
        return len(self.sure)

    def fold_probabilities(self, scan):
        bright = (scan.array > 0.5).astype(np.float32)
        return np.stack([np.stack([1.0 - one, one]) for one in (sure * bright for sure in self.sure)])


def _scan(*boxes):
    """A scan of a head with bright boxes of (first, last) voxel along Z, Y and X in it; without any, one of them."""
    array = np.random.default_rng(0).normal(10, 3, GRID.shape).astype(np.float32)
    array[1:-1, 1:-1, 1:-1] += 90
    for box in boxes or (((2, 6), (8, 14), (8, 14)),):
        array[tuple(slice(*ends) for ends in box)] += 300
    return Volume(array, GRID)


@pytest.fixture
def networks():
    """The class that stands in the place of the networks; what is to go otherwise is patched there."""
    return BrightVoxels


@pytest.fixture
def scan():
    """Makes scans: `scan()`, `scan(box, ...)`."""
    return _scan


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The default project with the model of a round, one good scan, and two in a folder."""
    shutil.copyfile(ROOT / "presets/default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rounds, "Ensemble", BrightVoxels)
    model = layout.model_of("round_1")
    write_json(model / layout.ROUND, {"fine_grid": False, "volumes_mm3": {"VS": [1000.0, 3000.0]}})
    for name in ("plans.json", "dataset.json", "fold_0.safetensors", "fold_1.safetensors"):
        (model / name).touch()
    write(_scan(), "good.nii.gz")
    Path("scans").mkdir()
    for name in ("a", "b"):
        shutil.copyfile("good.nii.gz", f"scans/{name}.nii.gz")
    return tmp_path


@pytest.fixture
def cut_off():
    """Writes a scan that breaks off."""

    def write_part(name):
        write(_scan(), name)
        Path(name).write_bytes(Path(name).read_bytes()[:-400])

    return write_part


@pytest.fixture
def gbaseg():
    """Calls `predict` with masks in the folder `masks`."""

    def call(*arguments):
        return CliRunner().invoke(main, ["predict", *arguments, "-o", "masks"])

    return call


@pytest.fixture
def faults(gbaseg):
    """The faults in the one report that a wrong call ends with; nothing is written."""

    def call(*arguments):
        result = gbaseg(*arguments)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
        assert not Path("masks").exists() and not Path(".scratch").exists()
        return result.stderr.partition("gbaseg: ")[2].splitlines()  # after what is logged

    return call


@pytest.fixture
def fail_at():
    """The network fails at the scan of that number, 0 the first."""

    def patch(monkeypatch, number, error):
        calls = iter(range(99))
        segment = BrightVoxels.fold_probabilities

        def fold_probabilities(self, image):
            if next(calls) == number:
                raise error
            return segment(self, image)

        monkeypatch.setattr(BrightVoxels, "fold_probabilities", fold_probabilities)

    return patch


@pytest.fixture
def table():
    """The rows of a table beside the masks."""

    def rows(name="predictions.csv"):
        with Path("masks", name).open(newline="") as stream:
            return list(csv.DictReader(stream))

    return rows


@pytest.fixture
def written():
    """The paths of all files in the folder of masks."""

    def paths():
        return sorted(str(path.relative_to("masks")) for path in Path("masks").rglob("*") if path.is_file())

    return paths
