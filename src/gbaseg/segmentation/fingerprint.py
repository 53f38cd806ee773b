"""nnU-Net's fingerprint of a training set, from which it plans, made case by case side by side.

nnU-Net's own loop starts a process that imports all of it anew, and draws 10^8 voxels of which nothing but statistics
for CT are made. Cases are looked at by its own function, and what is written is its own file (a test compares them).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg.segmentation.workspace import Workspace

FINGERPRINT = "dataset_fingerprint.json"
# Voxels of the structures that are drawn from a case, with replacement. Images of MRI are normalised one by one: of
# these nothing but a note in the plans is made.
_SAMPLES = 1000


def look_at(workspace: Workspace, names: Sequence[str]) -> list[dict[str, Any]]:
    """What the fingerprint says of some cases; runs in a worker (nnU-Net takes seconds to import)."""
    workspace.enter()
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
    from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

    dataset = json.loads((workspace.raw / "dataset.json").read_text())["dataset"]
    found = []
    for name in names:
        shape, spacing, drawn, _, share = DatasetFingerprintExtractor.analyze_case(
            dataset[name]["images"], dataset[name]["label"], SimpleITKIO, _SAMPLES
        )
        found.append(
            {
                "shape": [int(edge) for edge in shape],
                "spacing": [float(step) for step in spacing],
                "intensities": np.asarray(drawn[0], np.float32),
                "share": float(share),
            }
        )
    return found


def write_fingerprint(cases: Sequence[dict[str, Any]], path: Path) -> None:
    """The fingerprint of the whole set.

    Args:
        cases: of all cases, in the data set's order, as `look_at` returns them.
    """
    values = np.concatenate([case["intensities"] for case in cases])
    low, median, high = np.percentile(values, (0.5, 50.0, 99.5)) if values.size else [np.nan] * 3
    statistics = {"median": median, "percentile_00_5": low, "percentile_99_5": high} | {
        name: getattr(values, name)() if values.size else np.nan for name in ("mean", "std", "min", "max")
    }
    content = {
        "spacings": [case["spacing"] for case in cases],
        "shapes_after_crop": [case["shape"] for case in cases],
        "foreground_intensity_properties_per_channel": {"0": {name: float(one) for name, one in statistics.items()}},
        "median_relative_size_after_cropping": float(np.median([case["share"] for case in cases])),
    }
    path.write_text(json.dumps(content, indent=1))
