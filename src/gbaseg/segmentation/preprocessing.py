"""nnU-Net's preprocessing, each image once: a later round brings new labels, not new images.

What is written is what nnU-Net's own preprocessor writes (a test compares them), its pickles aside. Images and labels
are kept in a store under the hash of what they were made from; where only a label is new, the image is not read again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import blosc2
import numpy as np

from gbaseg.runtime.store import Store, key_of, link
from gbaseg.segmentation.planning import CONFIGURATION, MIRRORED, PLANS_NAME, read_plans
from gbaseg.segmentation.preprocessed import (
    IMAGE,
    KNOWN,
    LABEL,
    PROPERTIES,
    open_array,
    read_properties,
    write_properties,
)
from gbaseg.segmentation.randomise import air_level
from gbaseg.segmentation.workspace import Workspace
from gbaseg.standardise.intensity import foreground
from gbaseg.standardise.settings import ForegroundKind

# File of what may be done to a case when it is drawn: name -> mean and sd of its normalisation, and choices.
RESCALING = "rescaling.json"
# nnU-Net's own (LZ4HC, tried with and without shuffled bytes) takes five to nine times as long for files that are a
# fifteenth smaller (benchmarks/round_data.py); patches are read as fast.
COMPRESSION: Mapping[str, Any] = {
    "codec": blosc2.Codec.LZ4, "filters": [blosc2.Filter.SHUFFLE], "filters_seg": [blosc2.Filter.SHUFFLE],
}  # fmt: skip
# What the files of a case are called in the store.
_CASE = "case"


def preprocess(
    workspace: Workspace,
    names: Sequence[str],
    store: Store,
    changed: Mapping[str, tuple[Sequence[tuple[int, float, float]], ForegroundKind | None]],
) -> dict[str, dict[str, Any]]:
    """Crop, normalise and resample some cases of the workspace as its plans say, or find them; runs in a worker.

    Args:
        changed: name -> `TrainingItem.rescaled` and `randomised`, of the cases that change when they are drawn.

    Returns:
        Of those, what `RESCALING` is to hold.
    """
    workspace.enter()
    plans = read_plans(workspace.preprocessed / f"{PLANS_NAME}.json")
    dataset = json.loads((workspace.raw / "dataset.json").read_text())
    folder = workspace.preprocessed / plans["configurations"][CONFIGURATION]["data_identifier"]
    (folder / KNOWN).mkdir(parents=True, exist_ok=True)
    cases = _Cases(plans, dataset, store)
    for name in names:
        files = dataset["dataset"][name]
        for end, path in cases.files([Path(image) for image in files["images"]], Path(files["label"])).items():
            link(path, (folder / KNOWN if end == PROPERTIES else folder) / f"{name}{end}")
    found = {}
    for name, (choices, kind) in changed.items():
        images = [Path(image) for image in dataset["dataset"][name]["images"]]
        mean, sd, masked = cases.normalisation(images)
        air = None if kind is None else cases.air_of(images, kind)
        found[name] = {"mean": mean, "sd": sd, "choices": list(choices), "air": air, "masked": masked}
    return found


class _Cases:
    """Preprocessed cases of one data set, from the store or made now.

    The store has one entry an image (in the place of a label with the voxels outside the head, not resampled), one a
    label on it.
    """

    def __init__(self, plans: dict, dataset: dict, store: Store) -> None:
        self.plans, self.dataset, self.store = plans, dataset, store
        configuration = dict(plans["configurations"][CONFIGURATION])
        # Network and batch do not matter to the data, nor do the set's intensities: MRI is normalised image by image.
        del configuration["architecture"], configuration["batch_size"]
        configuration.pop(MIRRORED, None)  # nor how patches are turned
        self._about = [store.recipe, version("nnunetv2"), PROPERTIES, configuration, dataset["labels"]] + [
            plans[name] for name in ("transpose_forward", "image_reader_writer")
        ]

    def files(self, images: list[Path], label: Path) -> dict[str, Path]:
        """Where the three files of a case are, by the end of their names."""
        # Not "image": under that older code kept what is outside the head on the image's grid.
        key = key_of("image and head", self._about, *images)
        image = self.store.get(key, lambda folder: self._save(*self._read(images), folder))
        found = self.store.get(
            key_of("label", key, label), lambda folder: self._save(*self._with_label(image, label), folder)
        )
        return {IMAGE: image / f"{_CASE}{IMAGE}"} | {end: found / f"{_CASE}{end}" for end in (LABEL, PROPERTIES)}

    def normalisation(self, images: list[Path]) -> tuple[float, float, bool]:
        """Mean and SD of nnU-Net's z-score of an image: over the head where it crops much (True), else over all it
        keeps."""
        from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero

        _, manager, configuration = self._nnunet
        assert configuration.normalization_schemes == ["ZScoreNormalization"], "of MRI, as the data set says"
        array, _ = manager.image_reader_writer_class().read_images([str(path) for path in images])
        kept, outside, _ = crop_to_nonzero(array.astype(np.float32))
        masked = bool(configuration.use_mask_for_norm[0])
        values = kept[outside >= 0] if masked else kept
        return float(values.mean()), max(float(values.std()), 1e-8), masked

    def air_of(self, images: list[Path], kind: ForegroundKind) -> float:
        """`randomise.air_level` of an image in [0, 1]."""
        array, _ = self._nnunet[1].image_reader_writer_class().read_images([str(path) for path in images])
        return air_level(array[0], foreground(array[0], kind))

    @cached_property
    def _nnunet(self) -> tuple[Any, Any, Any]:
        """Its preprocessor, plans and configuration; imported when something is to be made (it takes seconds)."""
        from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        manager = PlansManager(self.plans)
        return DefaultPreprocessor(verbose=False), manager, manager.get_configuration(CONFIGURATION)

    def _read(self, images: list[Path]) -> tuple[np.ndarray, np.ndarray, dict]:
        """Image (1, Z, Y, X) and properties by nnU-Net, and what is -1 outside the head on the cropped scan's grid."""
        preprocessor, manager, configuration = self._nnunet
        found: tuple[np.ndarray, np.ndarray, dict] = preprocessor.run_case(
            [str(path) for path in images], None, manager, _LabelsAsTheyAre(configuration), self.dataset
        )
        return found

    def _with_label(self, image: Path, label: Path) -> tuple[None, np.ndarray, dict]:
        """A label on an image that is in the store, without the image: what nnU-Net's preprocessor does to it."""
        preprocessor, manager, configuration = self._nnunet
        outside = open_array(image / f"{_CASE}{LABEL}")[:]
        properties = read_properties(image / f"{_CASE}{PROPERTIES}")
        array, _ = manager.image_reader_writer_class().read_seg(str(label))
        array = array.transpose([0, *(axis + 1 for axis in manager.transpose_forward)])
        array = array[(slice(None), *(slice(*edges) for edges in properties["bbox_used_for_cropping"]))]
        spacing = [properties["spacing"][axis] for axis in manager.transpose_forward]
        # Together: at the border of the head either is resampled by what the other is.
        labelled = configuration.resampling_fn_seg(
            np.where((array == 0) & (outside == -1), -1, array),
            open_array(image / f"{_CASE}{IMAGE}").shape[1:], spacing, configuration.spacing,
        )  # fmt: skip
        labels = manager.get_label_manager(self.dataset).foreground_labels
        properties["class_locations"] = preprocessor._sample_foreground_locations(labelled, labels)
        return None, labelled, properties

    def _save(self, image: np.ndarray | None, label: np.ndarray, properties: dict, folder: Path) -> None:
        """Write a case as nnU-Net does; without an image only the rest of it."""
        from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

        patch = tuple(self._nnunet[2].patch_size)
        label = label.astype(np.int16, copy=False)
        blocks_label, chunks_label = comp_blosc2_params(label.shape, patch, label.itemsize)
        if image is None:
            written, blocks, chunks = label[:, :1, :1, :1], (1, 1, 1, 1), (1, 1, 1, 1)
        else:
            written = image.astype(np.float32, copy=False)
            blocks, chunks = comp_blosc2_params(written.shape, patch, written.itemsize)
        nnUNetDatasetBlosc2.save_case(
            written, label, {}, str(folder / _CASE),
            chunks=chunks, blocks=blocks, chunks_seg=chunks_label, blocks_seg=blocks_label,
            **COMPRESSION,
        )  # fmt: skip
        (folder / f"{_CASE}.pkl").unlink()  # of nothing
        write_properties(properties, folder / f"{_CASE}{PROPERTIES}")


class _LabelsAsTheyAre:
    """A configuration of nnU-Net's that does not resample labels, which takes as long as an image."""

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration

    def __getattr__(self, name: str) -> Any:
        return getattr(self._configuration, name)

    @staticmethod
    def resampling_fn_seg(label: np.ndarray, *_: Any) -> np.ndarray:
        return label
