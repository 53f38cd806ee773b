"""The largest connected components of a mask."""

from __future__ import annotations

from typing import Literal

import cc3d
import numpy as np

# Voxels that touch by a face, an edge or a corner.
_CONNECTIVITY: Literal[26] = 26
# What is smaller than this share of a structure is no piece of it.
_PIECE_SHARE = 0.1


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


def pieces(mask: np.ndarray) -> int:
    """In how many pieces a structure is: connected components without crumbs, of a boolean mask (Z, Y, X)."""
    sizes = components(mask)[1]
    return int(np.count_nonzero(sizes >= _PIECE_SHARE * sizes.sum()))
