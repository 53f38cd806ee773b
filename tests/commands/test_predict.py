"""Any scan segmented: what is checked before, and what is written. The masks themselves: tests/pipeline."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands import predict
from gbaseg.stages import layout
from gbaseg.stages.context import write_json
from gbaseg.volume import Grid, Volume, read, write
from gbaseg.volume.resampling import to_sitk

ROOT = Path(__file__).parents[2]
GRID = Grid((8, 24, 24), (3.0, 2.0, 2.0), origin_xyz_mm=(-3.0, 4.0, 5.0))
MODEL = layout.model_of("round_1")


class BrightVoxels:
    """In the place of the networks: one fold that is sure of what is bright."""

    def __init__(self, *_):
        self.structures = {"VS": 1}

    def fold_probabilities(self, scan):
        bright = (scan.array > 0.5).astype(np.float32)
        return np.stack([1.0 - bright, bright])[None]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """The default project with the model of a round, and one good scan."""
    shutil.copyfile(ROOT / "presets/default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(predict, "Ensemble", BrightVoxels)
    write_json(MODEL / layout.ROUND, {"fine_grid": False})
    for name in ("plans.json", "dataset.json", "fold_0.safetensors", "fold_1.safetensors"):
        (MODEL / name).touch()
    write(scan(), "good.nii.gz")
    return tmp_path


def scan():
    array = np.random.default_rng(0).normal(100, 5, GRID.shape).astype(np.float32)
    array[2:6, 8:14, 8:14] += 300
    return Volume(array, GRID)


def gbaseg(*arguments):
    return CliRunner().invoke(main, ["predict", *arguments, "--out", "masks"])


def faults(*arguments):
    """The faults in the one report that a wrong call ends with; nothing is written."""
    result = gbaseg(*arguments)
    assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
    assert not Path("masks").exists() and not Path(".scratch").exists()
    return result.stderr.removeprefix("gbaseg: ").splitlines()


def cut_off(name):
    write(scan(), name)
    Path(name).write_bytes(Path(name).read_bytes()[:-400])


def test_masks_lie_on_the_scans_own_grids_and_nothing_is_left_over():
    write(scan(), "other.mha")
    write(scan(), "masks/old.nii.gz")
    assert gbaseg("good.nii.gz", "other.mha").exit_code == 0
    assert sorted(path.name for path in Path("masks").iterdir()) == ["good.nii.gz", "old.nii.gz", "other.nii.gz"]
    for name in ("good", "other"):
        mask = read(f"masks/{name}.nii.gz")
        assert mask.grid.agrees_with(GRID, 1e-5)
        assert mask.array.dtype == np.uint8 and mask.array[4, 11, 11] == 1 and mask.array[0, 0, 0] == 0
    assert not Path(".scratch").exists()


def test_what_is_wrong_with_any_scan_and_with_the_model_is_in_one_report():
    (MODEL / "plans.json").unlink()
    (MODEL / "fold_1.safetensors").unlink()  # half an ensemble would segment without a word
    cut_off("cut.nii")
    cut_off("cut.nii.gz")
    Path("text.nii.gz").write_bytes(b"no image")
    flawed = scan()
    flawed.array[0, 0, :2] = np.nan, np.inf
    sitk.WriteImage(to_sitk(flawed), "nan.nii")  # gbaseg's own does not write it
    write(Volume(np.full(GRID.shape, 7.0, np.float32), GRID), "constant.nii.gz")
    # Two intensities: a mask, taken for a scan.
    block = Volume(np.zeros(GRID.shape, np.float32), Grid(GRID.shape, (2.0, 1.5, 1.5)))
    block.array[2:6, 8:14, 8:14] = 100.0
    write(block, "block.nii.gz")
    Path("dicom").mkdir()
    wrong = ["gone.nii.gz", "cut.nii", "nan.nii", "constant.nii.gz", "block.nii.gz", "dicom"]
    model, *of_scans = faults("good.nii.gz", *wrong)
    assert model.startswith(f"{MODEL}: no plans.json, fold_1.safetensors; run `dvc repro train_segmentation`")
    assert [fault.split(": ")[0] for fault in of_scans] == wrong
    gone, cut, nan, constant, block, dicom = (fault.split(": ", 1)[1] for fault in of_scans)
    assert gone == "no such file; allowed: a whole, readable 3D image with one channel"
    assert cut.startswith("cannot be read")
    assert nan == "2 voxels are NaN or infinite; allowed: finite numbers"
    assert constant == "every voxel is 7; allowed: an image that is not constant"
    assert block.startswith("two intensities only, 0 and 100 (a mask?)")
    assert dicom.startswith("a folder; allowed: one file a scan, such as NIfTI (.nii.gz)")
    _, cut, text = faults("good.nii.gz", "cut.nii.gz", "text.nii.gz")
    assert cut.startswith("cut.nii.gz: cannot be read") and text.startswith("text.nii.gz: cannot be read")


def test_scans_of_one_name_are_named_with_the_mask_they_would_share():
    write(scan(), "old/good.nii")
    assert faults("good.nii.gz", "gone.mha", "old/good.nii") == [
        "good.nii.gz, old/good.nii: 2 scans for the mask masks/good.nii.gz; allowed: another name for each",
        "gone.mha: no such file; allowed: a whole, readable 3D image with one channel",
    ]


def test_a_mask_never_takes_the_place_of_its_scan(project):
    before = (project / "good.nii.gz").read_bytes()
    result = CliRunner().invoke(main, ["predict", "good.nii.gz", "--out", str(project)])
    assert result.exit_code == 1
    assert f"{project / 'good.nii.gz'}: a scan, whose place its mask would take; allowed: another" in result.stderr
    assert (project / "good.nii.gz").read_bytes() == before


def test_a_run_that_is_broken_off_leaves_the_masks_that_are_done(monkeypatch):
    turns = iter([BrightVoxels().fold_probabilities])

    def fail_at_the_second(_, image):
        return next(turns, None)(image)

    monkeypatch.setattr(BrightVoxels, "fold_probabilities", fail_at_the_second)
    write(scan(), "other.nii.gz")
    assert isinstance(gbaseg("good.nii.gz", "other.nii.gz").exception, TypeError)
    assert [path.name for path in Path("masks").iterdir()] == ["good.nii.gz"]
    assert read("masks/good.nii.gz").array.any()


def test_a_mask_appears_whole(monkeypatch):
    def cut_off(mask, path):
        write(mask, path)
        path.write_bytes(path.read_bytes()[:40])
        raise OSError("disk full")

    monkeypatch.setattr(predict.volume, "write", cut_off)
    assert isinstance(gbaseg("good.nii.gz").exception, OSError)
    assert list(Path("masks").iterdir()) == []
