"""Which slice a SinGAN is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import center_of_mass

ChoiceRule = Literal["tumour", "variance"]


@dataclass(frozen=True)
class Candidate:
    """A target case.

    Args:
        case: its name.
        volume_mm3: of its pseudo-labelled tumour; 0 where that is empty or there is none yet.
        read: reads the image (Z, Y, X) in [0, 1] and the tumour mask (Z, Y, X), None where there is none. Called for
            the chosen case only.
    """

    case: str
    volume_mm3: float
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class SliceChoice:
    """The chosen slice, and by which rule: by its tumour, or, without plausible pseudo-labels, by its variance."""

    case: str
    z: int
    rule: ChoiceRule
    slice_yx: np.ndarray  # (Y, X) in [0, 1]


def central_tumour_slice(mask: np.ndarray) -> int:
    """z of the largest tumour area in a mask (Z, Y, X); of several, the nearest to the centroid, then the lowest.

    Raises:
        ValueError: the mask is empty.
    """
    inside = mask != 0
    areas = np.count_nonzero(inside, axis=(1, 2))
    if not areas.any():
        raise ValueError("no tumour in the mask")
    centroid = center_of_mass(inside)[0]
    largest = np.flatnonzero(areas == areas.max())
    return int(min(largest, key=lambda z: (abs(z - centroid), z)))


def central_high_variance_slice(image: np.ndarray) -> int:
    """z of the highest intensity variance in the central half of an image (Z, Y, X); the lowest of equals."""
    depth = image.shape[0]
    first, last = depth // 4, max(depth - depth // 4, depth // 4 + 1)
    return first + int(np.argmax(image[first:last].var(axis=(1, 2), dtype=np.float64)))


def choose_target_slice(candidates: Sequence[Candidate], source_volume_range_mm3: tuple[float, float]) -> SliceChoice:
    """Choose the real target slice (paper III-C; the paper does not say how).

    Of the cases whose pseudo-labelled tumour is not empty and within the source's range of volumes, the one closest to
    their median volume (a typical tumour is the least likely to be a false one); of it the central tumour slice. Where
    no pseudo-label is plausible: the first case by name, and of its central slices the one of highest variance.

    Raises:
        ValueError: no candidates.
    """
    if not candidates:
        raise ValueError("no target case to choose a slice from")
    low, high = source_volume_range_mm3
    plausible = [each for each in candidates if each.volume_mm3 > 0 and low <= each.volume_mm3 <= high]
    if plausible:
        median = float(np.median([each.volume_mm3 for each in plausible]))
        chosen = min(plausible, key=lambda each: (abs(each.volume_mm3 - median), each.case))
        image, mask = chosen.read()
        if mask is None:
            raise ValueError(f"{chosen.case}: a tumour of {chosen.volume_mm3:g} mm3, but no mask")
        z = central_tumour_slice(mask)
        return SliceChoice(chosen.case, z, "tumour", image[z])
    chosen = min(candidates, key=lambda each: each.case)
    image, _ = chosen.read()
    z = central_high_variance_slice(image)
    return SliceChoice(chosen.case, z, "variance", image[z])
