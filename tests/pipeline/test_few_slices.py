"""Stacks of 2, 3 and 6 slices, in one set: a heart's short axis, or a brain in thick slices."""

import json
import shutil

import numpy as np
import pytest

from gbaseg.volume import crop_or_pad, read, write

pytestmark = pytest.mark.pipeline

SLICES = (2, 3, 6)


SETTINGS = {
    "standardise.spacing_xyz_mm": [2.0, 2.0, 4.0],
    "standardise.crop_z_px": None,
    "phantom.centre_a.spacing_zyx_mm": [4.0, 1.5, 1.5],
    "phantom.centre_b.spacing_zyx_mm": [4.0, 1.5, 1.5],
}


@pytest.fixture(scope="module")
def stacks(new_project):
    """A project that has come as far as its networks do not matter."""
    project = new_project("tiny", SETTINGS)
    project.stages(stop="standardise")
    cut_short(project.folder / "data/raw/phantom/generated")
    project.stages(start="standardise", stop="choose-translation")
    return project


@pytest.mark.unusual(
    "Scans and masks",
    "stacks of few slices (2, 3 and 6 in one set)",
    "they are trained on and segmented; patches of more slices are padded, with a warning where that is most of them",
)
@pytest.mark.parametrize("patch", [2, 8])
def test_they_go_through_every_stage(stacks, tmp_path, patch):
    project = type(stacks)(shutil.copytree(stacks.folder, tmp_path / "project"))
    network = {"patch_size_zyx": [patch, 32, 32], "batch_size": 2, "features": [4, 8, 16], "convs_per_stage": 1}
    project.settle("tiny", {**SETTINGS, "segmentation.network": network})
    project.stages(start="choose-translation")

    shapes = {read(path).grid.shape[0] for path in (project.folder / "data/standard/images").iterdir()}
    assert shapes == set(SLICES)
    plans = json.loads((project.folder / "models/segmentation/round_1/plans.json").read_text())
    assert plans["configurations"]["3d_fullres"]["patch_size"] == [patch, 32, 32]
    for path in (project.folder / "data/pseudo_labelled/round_1/scan").iterdir():
        scan = next((project.folder / "data/raw").rglob(f"*{path.name.removesuffix('.nii.gz')}_hrT2.nii.gz"))
        assert read(path).array.shape == read(scan).array.shape
    summary = json.loads((project.folder / "metrics/summary.json").read_text())
    assert summary["cases"] == 2
    for metrics in (project.folder / "metrics/curves/round_1").rglob("train_loss.tsv"):
        assert np.isfinite(np.genfromtxt(metrics, skip_header=1)).all()


def cut_short(folder):
    """Keep 2, 3 or 6 slices of each scan and its label, around the tumour where there is one."""
    labels = {path.name.removesuffix("_Label.nii.gz"): path for path in folder.rglob("*_Label.nii.gz")}
    for index, path in enumerate(sorted(folder.rglob("*_ceT1.nii.gz")) + sorted(folder.rglob("*_hrT2.nii.gz"))):
        label = labels.get(path.name.rsplit("_", 1)[0])
        scan, count = read(path), SLICES[index % len(SLICES)]
        middle = scan.grid.shape[0] // 2
        if label is not None:
            middle = int(read(label).array.sum(axis=(1, 2)).argmax())
        start = min(max(middle - count // 2, 0), scan.grid.shape[0] - count)
        for one in (path, label):
            if one is not None:
                write(crop_or_pad(read(one), (start, 0, 0), (count, *scan.grid.shape[1:])), one)
