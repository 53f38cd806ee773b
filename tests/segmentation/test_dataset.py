"""The training set as nnU-Net reads it."""

import copy
import json
import os
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from multiprocessing.context import SpawnContext
from multiprocessing.pool import ThreadPool
from pathlib import Path

import blosc2
import numpy as np
import pytest

from gbaseg.runtime.store import Store
from gbaseg.segmentation import dataset
from gbaseg.segmentation.dataset import plan, prepare
from gbaseg.segmentation.fingerprint import FINGERPRINT
from gbaseg.segmentation.workspace import Workspace


def case(workspace: Workspace, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A preprocessed image and its label, both (1, Z, Y, X)."""
    folder = workspace.preprocessed / "nnUNetPlans_3d_fullres"
    image, label = (blosc2.open(str(folder / f"{name}{suffix}.b2nd"), mode="r")[:] for suffix in ("", "_seg"))
    return image, label


def test_the_folds_are_nnunets_and_split_by_patient(prepared):
    folds = json.loads((prepared.workspace.preprocessed / "splits_final.json").read_text())
    patient_of = {item.name: item.patient for item in prepared.items}
    assert len(folds) == 2
    assert sorted(name for fold in folds for name in fold["val"]) == ["a", "a_copy", "b", "c"]
    for fold in folds:
        assert not {patient_of[name] for name in fold["train"]} & {patient_of[name] for name in fold["val"]}


def test_every_case_is_preprocessed_at_the_spacing_asked_for(prepared):
    """The median of the set is 2 x 1 x 1 mm: left to itself nnU-Net would train at that."""
    fingerprint = json.loads((prepared.workspace.preprocessed / FINGERPRINT).read_text())
    assert np.median(fingerprint["spacings"], axis=0).tolist() == [2.0, 1.0, 1.0]
    configuration = prepared.plans["configurations"]["3d_fullres"]
    assert configuration["spacing"] == [1.5, 0.75, 0.75]
    # The planner knew of it, too: its own patch would have been made for these.
    assert configuration["median_image_size_in_voxels"] == [16, 32, 32]
    for item in prepared.items:
        image, label = case(prepared.workspace, item.name)
        assert image.shape == label.shape == (1, 16, 32, 32)
        assert set(np.unique(label)) == {0, 1}
        # nnU-Net's z-score, then interpolated, which evens the noise out.
        assert abs(image.mean()) < 0.05 and 0.8 < image.std() < 1
        # 4 x 6 x 6 voxels of 2 mm3.
        assert label.sum() * 1.5 * 0.75 * 0.75 == pytest.approx(288, rel=0.15)


def test_the_fingerprint_is_nnunets(prepared, workspace, monkeypatch):
    """Of the statistics, which are drawn, what two draws have in common."""
    ours = json.loads((workspace.preprocessed / FINGERPRINT).read_text())
    workspace.enter()
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    monkeypatch.setattr(SpawnContext, "Pool", lambda _, processes: ThreadPool(processes), raising=False)
    extractor = DatasetFingerprintExtractor(1, num_processes=1)
    extractor.num_foreground_voxels_for_intensitystats = 40_000
    extractor.run(overwrite_existing=True)
    theirs = json.loads((workspace.preprocessed / FINGERPRINT).read_text())
    [our], [their] = (found.pop("foreground_intensity_properties_per_channel").values() for found in (ours, theirs))
    assert ours == theirs
    assert our == {name: pytest.approx(value, rel=0.02) for name, value in their.items()}


def test_the_plans_are_returned_as_they_lie_in_the_workspace(prepared):
    written = json.loads((prepared.workspace.preprocessed / "nnUNetPlans.json").read_text())
    assert prepared.plans == written
    configuration = written["configurations"]["3d_fullres"]
    assert (configuration["patch_size"], configuration["batch_size"]) == ([8, 16, 16], 2)


def test_the_description_names_labels_and_images(prepared):
    for folder in (prepared.workspace.raw, prepared.workspace.preprocessed):
        description = json.loads((folder / "dataset.json").read_text())
        assert description["labels"] == {"background": 0, "VS": 1}
        assert description["numTraining"] == 4
        assert description["dataset"]["a_copy"] == {
            "images": [str(prepared.items[1].image)],
            "label": str(prepared.items[1].label),
        }


def test_a_second_call_does_nothing(prepared, workspace, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a task was started")

    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in workspace.root.rglob("*")}

    monkeypatch.setattr(dataset, "run", refuse)
    before = state()
    again = prepare(
        prepared.items,
        prepared.structures,
        prepared.settings,
        3,
        workspace,
        Store(Path("unused")),
        prepared.spacing_zyx_mm,
    )
    assert again == prepared.plans
    assert state() == before


def test_planning_where_nnunet_is_to_augment_in_the_process_that_trains(prepared, workspace, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    assert plan(workspace, prepared.spacing_zyx_mm)["configurations"]["3d_fullres"]
    assert os.environ["nnUNet_n_proc_DA"] == "0"


def test_frozen_plans_are_kept_at_another_spacing(prepared, tmp_path):
    """The last round: the plans of the rounds before it, on a finer grid."""
    frozen = copy.deepcopy(prepared.plans)
    frozen["foreground_intensity_properties_per_channel"]["0"]["mean"] = 0.123
    frozen["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["norm_op_kwargs"]["eps"] = 0.25
    workspace = Workspace(tmp_path / "nnunet")
    plans = prepare(
        prepared.items[1:],
        prepared.structures,
        prepared.settings,
        3,
        workspace,
        Store(tmp_path / "store"),
        (1.0, 0.5, 0.5),
        frozen_plans=frozen,
    )
    # The patch keeps its millimetres.
    frozen["configurations"]["3d_fullres"] |= {"spacing": [1.0, 0.5, 0.5], "patch_size": [12, 24, 24]}
    assert plans == frozen
    assert case(workspace, "b")[0].shape == (1, 24, 48, 48)
    assert prepared.plans["foreground_intensity_properties_per_channel"]["0"]["mean"] != 0.123


@pytest.mark.unusual(
    "Interruptions", "what was prepared for nnU-Net is torn: plans, marker or a case", "made again before any training"
)
@pytest.mark.parametrize("torn", ["prepared.json", "nnUNetPlans.json", "splits_final.json", "a_seg.b2nd"])
def test_what_is_torn_of_a_training_set_is_prepared_again(prepared, workspace, tmp_path, torn):
    [path] = workspace.root.rglob(torn)
    whole = path.read_bytes()
    path.unlink()  # in the workspace alone: a case is linked to the store
    path.write_bytes(whole[: len(whole) // 2])
    store = Store(tmp_path / "store")
    again = (prepared.items, prepared.structures, prepared.settings, 3, workspace, store, prepared.spacing_zyx_mm)
    assert json.loads(json.dumps(prepare(*again))) == prepared.plans
    [path] = workspace.root.rglob(torn)
    if torn != "prepared.json":  # of which hashes of the cases' files are a part, whose time is in their heads
        assert path.stat().st_size == len(whole)
    made = path.stat().st_mtime_ns
    prepare(*again)
    assert path.stat().st_mtime_ns == made


@pytest.mark.unusual(
    "git, DVC and settings", "`dvc config cache.type symlink`: scans are links to files without an ending",
    "read as files are",
)  # fmt: skip
def test_scans_that_are_links_into_dvcs_cache(prepared, tmp_path):
    (tmp_path / "cache").mkdir()
    linked = []
    for item in prepared.items:
        paths = {}
        for kind in ("image", "label"):
            target = tmp_path / "cache" / f"{item.name}{kind}"
            target.write_bytes(getattr(item, kind).read_bytes())
            target.chmod(0o444)
            paths[kind] = tmp_path / getattr(item, kind).name
            paths[kind].symlink_to(target)
        linked.append(replace(item, **paths))
    workspace = Workspace(tmp_path / "nnunet")
    prepare(
        linked, prepared.structures, prepared.settings, 3, workspace, Store(tmp_path / "store"), prepared.spacing_zyx_mm
    )
    for item in linked:
        for mine, theirs in zip(case(workspace, item.name), case(prepared.workspace, item.name), strict=True):
            assert np.array_equal(mine, theirs)


def test_nnunets_list_has_the_weights_in_the_smallest_whole_numbers(prepared, workspace, tmp_path):
    weights = {"a": Fraction(1), "a_copy": Fraction(1, 2), "b": Fraction(13, 4), "c": Fraction(1)}
    items = [replace(item, weight=weights[item.name]) for item in prepared.items]
    assert dataset.whole_draws(items) == {"a": 4, "a_copy": 2, "b": 13, "c": 4}
    assert set(dataset.whole_draws([replace(item, weight=Fraction(5)) for item in items]).values()) == {1}
    new = Workspace(tmp_path / "weighted")
    prepare(
        items, prepared.structures, prepared.settings, 3, new, Store(tmp_path / "store"), prepared.spacing_zyx_mm,
        frozen_plans=prepared.plans,
    )  # fmt: skip
    for fold in json.loads((new.preprocessed / "splits_final.json").read_text()):
        assert Counter(fold["train"]) == {
            name: count for name, count in dataset.whole_draws(items).items() if name not in fold["val"]
        }
