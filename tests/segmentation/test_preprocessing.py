"""Preprocessed cases: what nnU-Net writes, images once."""

import json
import pickle
from pathlib import Path
from typing import NamedTuple

import blosc2
import numpy as np
import pytest

from gbaseg.runtime.store import Store
from gbaseg.segmentation.planning import CONFIGURATION
from gbaseg.segmentation.preprocessed import read_properties
from gbaseg.segmentation.preprocessing import _Cases
from gbaseg.volume import Grid, Volume, write


class Scan(NamedTuple):
    """An image and two labels for it."""

    image: Path
    labels: list[Path]


@pytest.fixture(params=[None, (2.0, 1.0, 1.0), (7.0, 1.0, 1.0)], ids=["as it is", "resampled", "slice by slice"])
def scan(request, prepared, tmp_path):
    """An image with an empty border, a corner that is missing and a hole.

    nnU-Net resamples it where its voxels (mm) are others than planned.
    """
    rng = np.random.default_rng(1)
    image = np.zeros((10, 20, 22), np.float32)
    image[1:9, 2:18, 3:20] = 0.2 + rng.random((8, 16, 17))
    image[4, 8:10, 8:10] = 0
    image[5:9, 12:18, 3:8] = 0
    labels = np.zeros((2, *image.shape), np.uint8)
    labels[0, 3:6, 5:9, 6:10] = 1
    labels[1, 4:8, 9:14, 1:12] = 1  # reaches over the border
    spacing = request.param or prepared.spacing_zyx_mm
    paths = [tmp_path / name for name in ("image.nii.gz", "first.nii.gz", "second.nii.gz")]
    for path, array in zip(paths, (image, *labels), strict=True):
        write(Volume(array, Grid(image.shape, spacing)), path)
    return Scan(paths[0], paths[1:])


def by_nnunet(plans, dataset, image, label, folder):
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    folder.mkdir()
    DefaultPreprocessor(verbose=False).run_case_save(
        str(folder / "case"), [str(image)], str(label), manager, manager.get_configuration(CONFIGURATION), dataset
    )
    return {end: folder / f"case{end}" for end in (".b2nd", "_seg.b2nd", ".pkl")}


def test_files_are_nnunets_for_a_first_label_and_for_another(scan, prepared, tmp_path):
    dataset = json.loads((prepared.workspace.raw / "dataset.json").read_text())
    cases = _Cases(prepared.plans, dataset, Store(tmp_path / "store"))
    for number, label in enumerate(scan.labels):
        ours = cases.files([scan.image], label)
        theirs = by_nnunet(prepared.plans, dataset, scan.image, label, tmp_path / f"theirs_{number}")
        for end in (".b2nd", "_seg.b2nd"):
            mine, wanted = (blosc2.open(str(files[end]), mode="r") for files in (ours, theirs))
            assert mine.dtype == wanted.dtype and mine.chunks == wanted.chunks and mine.blocks == wanted.blocks
            np.testing.assert_array_equal(mine[:], wanted[:])
        mine, wanted = read_properties(ours[".safetensors"]), pickle.loads(theirs[".pkl"].read_bytes())
        assert list(mine["class_locations"]) == list(wanted["class_locations"])  # drawn from by place
        for name, value in mine.items():
            np.testing.assert_equal(
                value, json.loads(json.dumps(wanted[name], default=int)) if name != "class_locations" else wanted[name]
            )
        assert sorted(path.name for path in ours[".safetensors"].parent.iterdir()) == [
            "case.b2nd",
            "case.safetensors",
            "case_seg.b2nd",
            "files.json",  # the store's own
        ]


def test_what_older_code_made_is_not_found(scan, prepared, tmp_path):
    dataset = json.loads((prepared.workspace.raw / "dataset.json").read_text())
    files = [
        _Cases(prepared.plans, dataset, Store(tmp_path / "store", recipe)).files([scan.image], scan.labels[0])
        for recipe in (1, 1, 2)
    ]
    assert files[0] == files[1]
    assert not set(files[0].values()) & set(files[2].values())


def test_a_later_round_takes_label_files_alone(scan, prepared, tmp_path, monkeypatch):
    dataset = json.loads((prepared.workspace.raw / "dataset.json").read_text())
    store = Store(tmp_path / "store")
    first = _Cases(prepared.plans, dataset, store).files([scan.image], scan.labels[0])
    cases = _Cases(prepared.plans, dataset, store)
    monkeypatch.setattr(cases, "_read", None)  # the image is not read again
    second = cases.files([scan.image], scan.labels[1])
    assert second[".b2nd"] == first[".b2nd"] and second["_seg.b2nd"] != first["_seg.b2nd"]
    monkeypatch.setattr(cases, "_nnunet", None)  # nothing to make, nothing imported
    assert cases.files([scan.image], scan.labels[0]) == first
