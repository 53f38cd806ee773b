"""From what an ensemble says on the grid it works on to a mask on the scan's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gbaseg import volume
from gbaseg.params import Params
from gbaseg.segmentation.decision import to_mask
from gbaseg.standardise.case import StandardCase, probability_to_raw

# Planes of a scan that are decided at once: whole numbers of 64 bits a voxel are needed for it.
_PLANES = 8


def carried_to_scan(probabilities: np.ndarray, record: StandardCase) -> list[volume.Volume]:
    """Each structure's probability on the scan's own grid, float32, 0 outside of what the ensemble saw.

    Args:
        probabilities: (structure, Z, Y, X) on the record's grid.
        record: how the scan was standardised.
    """
    return [probability_to_raw(volume.Volume(structure, record.grid), record) for structure in probabilities]


def decided(carried: Sequence[volume.Volume], settings: Params) -> np.ndarray:
    """The mask on a grid that each structure's probability was carried to, as nnU-Net does it: the voxels of a mask
    that was decided on another grid would show."""
    ends = [settings.segmentation.prediction.end_of(structure) for structure in settings.labels]
    planes = range(0, carried[0].grid.shape[0], _PLANES)
    return np.concatenate(
        [
            to_mask(np.stack([structure.array[start : start + _PLANES] for structure in carried]), ends)
            for start in planes
        ]
    )


def on_scan(probabilities: np.ndarray, record: StandardCase, settings: Params) -> volume.Volume:
    """The mask of a scan on its own grid, with the data set's own label values.

    Args:
        probabilities: (structure, Z, Y, X) on the record's grid, see `Decision`.
        record: how the scan was standardised.
    """
    values = np.array([0, *settings.dataset.label_values.values()], np.uint8)
    return volume.Volume(values[decided(carried_to_scan(probabilities, record), settings)], record.raw)
