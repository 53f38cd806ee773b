"""The paper's preset on a handful of scans in the official layout: its structure in full, its budgets shrunken.

With the cochleas as a second structure, so that all that the pipeline writes is tried on two in the same run.
"""

import csv
import json
import re

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from gbaseg.augmentation.singan.model import load_singan
from gbaseg.cases import read_table
from gbaseg.evaluation import baselines
from gbaseg.segmentation.components import components
from gbaseg.volume import read

pytestmark = pytest.mark.pipeline

SHRUNKEN = {
    "dataset.root": "data/raw/phantom",
    "phantom.extent_zyx_mm": [40.0, 190.0, 160.0],
    "phantom.centre_a.source_cases": 3,
    "phantom.centre_a.target_cases": 1,
    "phantom.centre_a.validation_cases": 1,
    "phantom.centre_a.tumour_volume_mm3": [200.0, 280.0],  # rule small
    "phantom.centre_b.source_cases": 2,
    "phantom.centre_b.target_cases": 1,
    "phantom.centre_b.validation_cases": 1,
    "phantom.centre_b.tumour_volume_mm3": [6000.0, 7000.0],  # rule large, also of what is left in eight slices
    "standardise.crop_xy_px": 128,
    "standardise.crop_z_px": 8,
    "translation.cyclegan.epochs": 1,
    "translation.cyclegan.decay_epochs": 1,
    "translation.cyclegan.steps_per_epoch": 1,
    "translation.cyclegan.generator_width": 2,
    "translation.cyclegan.residual_blocks": 1,
    "translation.cyclegan.discriminator_width": 2,
    "survey.epochs": 1,
    "augmentation.singan.iterations": 1,
    "augmentation.singan.width": 2,
    "augmentation.singan.max_width": 4,
    "segmentation.epochs": 1,
    "segmentation.last_round_epochs": 1,
    "segmentation.iterations_per_epoch": 2,
    "segmentation.validation_iterations": 1,
    "segmentation.prediction.tile_step": 1.0,
    "segmentation.prediction.mirroring": False,
    "segmentation.network": {
        "patch_size_zyx": [8, 64, 64], "batch_size": 1, "features": [2, 4, 4], "convs_per_stage": 1,
    },
    "self_training.stop": "never",  # a network that has learnt nothing agrees with itself at once
}  # fmt: skip


@pytest.fixture(scope="module")
def paper(new_project):
    project = new_project("crossmoda2022_cochlea", SHRUNKEN)
    # Two training steps leave every tumour flat: the spread is the one threshold that such a translation cannot pass.
    content = (project.folder / "params.yaml").read_text()
    assert "std_above: 0.1\n" in content
    (project.folder / "params.yaml").write_text(content.replace("std_above: 0.1\n", "std_above: 0.0\n"))
    with pytest.MonkeyPatch.context() as patch:
        # A sixth of the thresholds that the baseline tries: tests/evaluation and the tiny project have all of them.
        patch.setattr(baselines, "_SHARES_PERCENT", (0.5, 2.0, 8.0))
        patch.setattr(baselines, "_SCALPS_MM", (10.0,))
        project.stages()
    return project


def test_the_papers_rules_fire_and_each_case_has_six_copies_and_three_of_its_cochleas(paper):
    names = [case.case for case in read_table(paper.folder / "data/augmented")]
    cochlea = [name for name in names if "_cochlea_" in name]
    cases = {case.case for case in read_table(paper.folder / "data/translated")}
    assert {tuple(name.split("_cochlea_")) for name in cochlea} == {
        (case, f"l{factor}_k1") for case in cases for factor in (2, 3, 4)
    }
    large = [name for name in names if "_large_" in name]
    small = [name for name in names if "_small_" in name]
    assert {name.split("_large_")[1] for name in large} == {f"l{x}_k{k}" for x in ("0.7", "1.2", "1.5") for k in (1, 3)}
    assert {name.split("_small_")[1] for name in small} == {f"l{x}_k{k}" for x in ("0.6", "0.8", "1.2") for k in (1, 3)}
    selected = {name.rsplit("_", 3)[0] for name in (*large, *small)}
    assert len(large) + len(small) == 6 * len(selected)
    assert {name.split("_")[0] for name in large} == {"etz"}
    assert {name.split("_")[0] for name in small} == {"ldn"}


def test_the_pyramid_goes_from_the_papers_coarsest_scale_to_the_slice(paper):
    """Of half the paper's width, which is four scales less (tests/test_preset_values.py has the preset's own)."""
    import torch

    model = load_singan(paper.folder / "models/singan/shared.safetensors", torch.device("cpu"))
    assert model.last_scale == 12
    assert [size[0] for size in model.pyramid.sizes] == [25, 29, 33, 38, 44, 50, 57, 65, 75, 86, 98, 112, 128]


def test_four_rounds_of_five_folds(paper):
    for number in range(4):
        folder = paper.folder / "models/segmentation" / f"round_{number}"
        assert len(list(folder.glob("fold_*.safetensors"))) == 5
        about = json.loads((folder / "round.json").read_text())
        volumes = about.pop("volumes_mm3")
        assert volumes.keys() == {"VS", "Cochlea"} and all(0 < low < high for low, high in volumes.values())
        grid = about.pop("standardise")
        assert grid["spacing_xyz_mm"] == [0.6, 0.6, 1.0] and grid["crop_z_px"] == 8
        assert about == {"trained_in": f"round_{number}", "fine_grid": number == 3, "passed_on": False}


def test_the_last_round_trains_at_the_finer_grid(paper):
    def planned(number):
        plans = json.loads((paper.folder / f"models/segmentation/round_{number}/plans.json").read_text())
        return [plans["configurations"]["3d_fullres"][key] for key in ("spacing", "patch_size")]

    assert planned(2) == [[1.0, 0.6, 0.6], [8, 64, 64]]
    assert planned(3) == [[1.0, 0.4, 0.4], [8, 96, 96]]


def test_the_last_rounds_labels_are_decided_on_the_finer_grid(paper):
    labelled = paper.folder / "data/pseudo_labelled"
    names = {case.case for case in read_table(paper.folder / "data/standard") if case.domain == "target"}
    train = {case.case for case in read_table(paper.folder / "data/standard") if case.split == "train"} & names
    assert {path.name.split(".")[0] for path in (labelled / "round_2/fine").iterdir()} == train
    for name in train:
        image = read(paper.folder / f"data/standard/fine/{name}.nii.gz")
        assert read(labelled / f"round_2/fine/{name}.nii.gz").grid.agrees_with(image.grid)
    assert not (labelled / "round_3/fine").exists() and not (labelled / "survey/fine").exists()
    assert {path.name.split(".")[0] for path in (labelled / "round_3/standard").iterdir()} == names


def test_masks_of_the_fine_grid_come_back_to_the_scan(paper):
    scan = next((paper.folder / "data/raw/phantom/generated/validation").glob("*_hrT2.nii.gz"))
    name = scan.name.removeprefix("crossmoda2022_").removesuffix("_hrT2.nii.gz")
    mask = read(paper.folder / f"data/pseudo_labelled/round_3/scan/{name}.nii.gz")
    # NIfTI keeps an oblique direction as a quaternion of three single-precision numbers.
    assert mask.grid.agrees_with(read(scan).grid, 1e-6)


def test_fold_agreement_is_of_five_folds(paper):
    with (paper.folder / "data/pseudo_labelled/round_0/pseudo_labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["structure"] for row in rows] == ["Cochlea", "VS"] * 4
    assert all(np.isfinite(float(row["fold_dice"])) or row["doubts"] == "empty" for row in rows)


def test_four_rounds_in_the_table(paper):
    summary = json.loads((paper.folder / "metrics/summary.json").read_text())
    assert summary["rounds_trained"] == 4
    assert summary["cases"] == 2


def test_a_copy_of_one_structure_leaves_the_others_voxels_alone(paper):
    """Though the blending of either reaches 16 mm, which is into the other one."""
    translated, augmented = paper.folder / "data/translated", paper.folder / "data/augmented"
    originals = {case.patient: case for case in read_table(translated)}
    reached = 0
    for copy in read_table(augmented):
        before = read(translated / originals[copy.patient].image).array
        after, label = read(augmented / copy.image).array, read(augmented / copy.label).array
        own = 2 if "_cochlea_" in copy.case else 1
        other = label == 3 - own
        assert np.array_equal(before[other], after[other]), copy.case
        assert not np.array_equal(before[label == own], after[label == own]), copy.case
        around = binary_dilation(other, iterations=2) & (label == 0)
        reached += not np.array_equal(before[around], after[around])
    assert reached, "no copy's blending comes near the other structure: nothing was tried"


def test_both_structures_are_in_every_table_and_picture(paper, tmp_path):
    for name in ("survey", "round_0", "round_3", "baseline"):
        metrics = json.loads((paper.folder / f"metrics/{name}.json").read_text())
        assert metrics["VS"]["cases"] == metrics["Cochlea"]["cases"] == 2, name
    summary = json.loads((paper.folder / "metrics/summary.json").read_text())
    assert (
        summary["Cochlea_dice_mean"]
        == json.loads((paper.folder / "metrics/round_3.json").read_text())["Cochlea"]["dice"]["mean"]
    )
    proxies = json.loads((paper.folder / "metrics/proxies/round_0.json").read_text())
    assert proxies["others"]["Cochlea"]["pseudo_labelled"] == proxies["pseudo_labelled"] == 2
    plots = {path.name for path in (paper.folder / "plots").iterdir()}
    for name in ("rounds", "appearance", "panel", "overlays", "blending"):
        assert {f"{name}.png", f"{name}_Cochlea.png"} <= plots
    shown = paper.call("show")
    assert "Rounds of self-training: VS" in shown and "Rounds of self-training: Cochlea" in shown
    cases = [str(paper.folder / f"metrics/cases/{name}.csv") for name in ("baseline", "round_0", "round_3")]
    ranked = paper.call("rank", *cases)
    assert "Ranking over 2 cases (Cochlea, VS)" in ranked
    paper.call("report")
    page = (paper.folder / "report/index.html").read_text()
    for part in ("Rounds", "Known without the target&#39;s labels", "Augmentation", "Cases by round", "Every case"):
        assert f"{part}: VS</h2>" in page and f"{part}: Cochlea</h2>" in page
    rows = re.findall(r'<tr data-view="(view-\d)" data-value="(\d)">', page)
    assert sorted(rows) == [(f"view-{case}", value) for case in range(2) for value in "12"]
    assert {"rounds_VS.csv", "cases_Cochlea.csv"} <= {
        path.name for path in (paper.folder / "report/index_tables").iterdir()
    }


def test_no_mask_keeps_more_pieces_than_its_structure_has(paper):
    """On the standard grid, where they are trained on; two cochleas are there in some mask."""
    masks = [read(path).array for path in (paper.folder / "data/pseudo_labelled/round_0/standard").glob("*.nii.gz")]
    assert [max(len(components(mask == value)[1]) for mask in masks) for value in (1, 2)] == [1, 2]
