"""What is wrong with scans and with the model is said before work."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from gbaseg import params
from gbaseg.commands import predict_scans
from gbaseg.raw import checks
from gbaseg.volume import Grid, Volume, write
from gbaseg.volume.resampling import to_sitk
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

MODEL = layout.model_of("round_1")


def test_what_is_wrong_with_any_scan_and_with_the_model_is_in_one_report(scan, faults, cut_off):
    (MODEL / "plans.json").unlink()
    (MODEL / "fold_1.safetensors").unlink()  # half an ensemble would segment without a word
    cut_off("cut.nii")
    cut_off("cut.nii.gz")
    Path("text.nii.gz").write_bytes(b"no image")
    flawed = scan()
    flawed.array[0, 0, :2] = np.nan, np.inf
    sitk.WriteImage(to_sitk(flawed), "nan.nii")  # gbaseg's own does not write it
    write(flawed.with_array(np.full(flawed.array.shape, 7.0, np.float32)), "constant.nii.gz")
    # Two intensities: a mask, taken for a scan.
    block = Volume(np.zeros(flawed.array.shape, np.float32), Grid(flawed.array.shape, (2.0, 1.5, 1.5)))
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


def test_a_scan_is_searched_for_wild_voxels_once_and_said_with_its_other_faults(monkeypatch, scan):
    settings = params.load()
    with monkeypatch.context() as patch:
        patch.setattr(checks, "without_wild", None)  # `standardise_image` has its own
        assert predict_scans.check_scan(Path("good.nii.gz"), settings) == []
    wild = scan()
    wild.array[np.random.default_rng(0).random(wild.array.shape) < 0.05] = -32768.0
    write(wild, "wild.nii.gz")
    [fault] = predict_scans.check_scan(Path("wild.nii.gz"), settings)
    assert fault.startswith("wild.nii.gz: ") and "of the voxels are -32768, far from all others" in fault
    write(Volume(wild.array, replace(wild.grid, spacing_zyx_mm=(3.0, 2.0, 90.0))), "wild.nii.gz")
    spacing, length, voxels = predict_scans.check_scan(Path("wild.nii.gz"), settings)
    assert "spacing" in spacing and "a scan of" in length and "of the voxels are -32768" in voxels


def test_a_model_whose_grid_cannot_be_is_refused(faults):
    write_json(MODEL / layout.ROUND, {"fine_grid": False, "standardise": {"spacing_xyz_mm": [0.0, 1.0, 1.0]}})
    assert "round.json: standardise:" in faults("good.nii.gz")[0]


@pytest.mark.unusual(
    "Commands", "`predict`: a model that is damaged, or of other structures than params.yaml", "the model, what to do"
)
def test_a_model_that_cannot_be_used(project, monkeypatch, faults):
    (MODEL / layout.ROUND).write_text("{")
    [fault] = faults("good.nii.gz")
    assert str(MODEL) in fault and "dvc checkout" in fault
    write_json(MODEL / layout.ROUND, {"fine_grid": True})
    assert faults("good.nii.gz")[0].endswith("standardise.fine_spacing_xyz_mm is null")
    write_json(MODEL / layout.ROUND, {"fine_grid": False})
    text = (project / "params.yaml").read_text().replace("structures: {VS: 1}", "structures: {VS: 1, Cochlea: 2}")
    (project / "params.yaml").write_text(text)
    [fault] = faults("good.nii.gz")
    assert fault.startswith(f"{MODEL}: segments VS; dataset.structures of params.yaml has VS, Cochlea")
