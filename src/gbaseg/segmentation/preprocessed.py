"""Preprocessed cases as they lie in a folder, and as nnU-Net's loaders draw them: arrays and JSON, no pickle.

nnU-Net's own keeps what it knows of a case as a pickle, which whoever can write there can make run anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gbaseg.errors import UserError

# Ends of the names of an image, its label, and what is known of them. Another format of the last: another name.
IMAGE, LABEL, PROPERTIES = ".b2nd", "_seg.b2nd", ".safetensors"
# Below nnU-Net's folder of preprocessed cases: it knows no files of other kinds in there.
KNOWN = "known"
_DAMAGED = "damaged, or no file of a preprocessed case"
_AGAIN = "`make clean` empties .scratch, and the stage prepares its cases anew"
# Of nnU-Net's properties, what is used again.
_KEPT = ("bbox_used_for_cropping", "shape_after_cropping_and_before_resampling", "spacing")


def write_properties(properties: Mapping[str, Any], path: Path) -> None:
    """Write what is used again of nnU-Net's properties of a case.

    Args:
        properties: `class_locations`: label value -> (n, 4) voxels of it; the others: numbers, in lists.
    """
    found = properties.get("class_locations", {})  # without a label there are none
    locations = {str(value): np.asarray(voxels, np.int64).reshape(-1, 4) for value, voxels in found.items()}
    kept = json.dumps({name: properties[name] for name in _KEPT}, default=int)
    save_file(locations, path, metadata={"properties": kept})


def read_properties(path: Path) -> dict[str, Any]:
    """What `write_properties` wrote.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with safe_open(path, framework="np") as file:
            kept = json.loads(file.metadata()["properties"])
            found = {int(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: {_DAMAGED} ({error}); {_AGAIN}") from error
    # In the order of the values, as nnU-Net has them: it draws one by its place.
    return {**kept, "class_locations": dict(sorted(found.items()))}


def open_array(path: Path, **options: Any) -> blosc2.NDArray:
    """An array on disk, to be read in parts.

    Raises:
        UserError: the file is damaged, or holds something that blosc2 would have to compute: code of whoever wrote it.
    """
    try:
        opened = blosc2.open(str(path), mode="r", **options)
    except Exception as error:  # whatever blosc2 raises on a file that is not its own, or is unsafe
        raise UserError(f"{path}: {_DAMAGED} ({type(error).__name__}: {error}); {_AGAIN}") from error
    if type(opened) is not blosc2.NDArray:
        raise UserError(f"{path}: {_DAMAGED} ({type(opened).__name__}); {_AGAIN}")
    return opened


class CaseDataset(nnUNetDatasetBlosc2):
    """nnU-Net's training cases, without its pickles."""

    def load_case(self, identifier: str) -> tuple[Any, Any, None, dict]:
        """Image (1, Z, Y, X), label (1, Z, Y, X), nothing, properties."""
        folder = Path(self.source_folder)
        image, label = (
            open_array(folder / f"{identifier}{end}", dparams={"nthreads": 1}, **self.mmap_kwargs)
            for end in (IMAGE, LABEL)
        )
        return image, label, None, read_properties(folder / KNOWN / f"{identifier}{PROPERTIES}")
