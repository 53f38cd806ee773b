"""The largest connected components of a mask."""

from __future__ import annotations

from typing import Literal

import cc3d
import numpy as np

# Voxels that touch by a face, an edge or a corner.
_CONNECTIVITY: Literal[26] = 26


def components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label the connected components (26 neighbours) of a boolean mask (Z, Y, X).

    Returns:
        The labelled volume (0 = outside) and the voxels of components 1, 2, ...
    """
    labelled = cc3d.connected_components(mask.astype(np.uint8), connectivity=_CONNECTIVITY)
    return labelled, np.bincount(labelled.ravel())[1:]


def largest_components(mask: np.ndarray, keep: int) -> np.ndarray:
    """The `keep` largest connected components (26 neighbours) of a boolean mask (Z, Y, X); of equals, the first."""
    labelled, sizes = components(mask)
    largest = np.argsort(-sizes, kind="stable")[:keep] + 1
    return np.isin(labelled, largest) & mask
