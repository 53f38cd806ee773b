"""A baseline without learning: the largest bright (or dark) components inside the head. It says how hard a set is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter

from gbaseg.evaluation.metrics import dice
from gbaseg.volume import Volume

Polarity = Literal["bright", "dark"]
_SHARES_PERCENT = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 20.0, 30.0)
_SCALPS_MM = (10.0, 20.0)
_SMOOTHINGS_MM = (0.0, 3.0)


@dataclass(frozen=True)
class Threshold:
    """Which voxels are candidates, and how well that does on the source.

    `share_percent`: the brightest (or darkest) of the voxels inside the head; `scalp_mm`: the head's outermost layer
    that is left out; `smoothing_mm`: sigma of the Gaussian before the threshold; `source_dice`: mean over the cases.
    """

    polarity: Polarity
    share_percent: float
    scalp_mm: float
    smoothing_mm: float
    source_dice: float = 0.0


def bright_threshold_baseline(
    source_images: Sequence[Volume],
    source_labels: Sequence[Volume],
    target_images: Sequence[Volume],
    polarities: Sequence[Polarity] = ("bright", "dark"),
    pieces: int = 1,
) -> tuple[Threshold, Iterator[np.ndarray]]:
    """The largest component(s) beyond the threshold that is best on the source, on every target image.

    The threshold is a share of each head's own voxels, not an intensity: so it passes from one modality to another,
    which an intensity does not. No target label is seen.

    Args:
        source_images: labelled images (the scans, or their pseudo-target images).
        source_labels: their masks; non-zero is the structure.
        target_images: images to segment.
        polarities: `("bright",)` is for tumours that are known to be bright in the target, whatever the source shows.
        pieces: components that are kept.

    Returns:
        The threshold, and one bool mask (Z, Y, X) for each target image in turn.

    Raises:
        ValueError: not one label for each source image, or no source label with the structure.
    """
    # Without it Dice is undefined: such a case says nothing about the threshold.
    pairs = [pair for pair in zip(source_images, source_labels, strict=True) if pair[1].array.any()]
    if not pairs:
        raise ValueError("no source label with the structure")
    candidates = [
        Threshold(polarity, share, scalp, smoothing)
        for scalp, smoothing, polarity, share in product(_SCALPS_MM, _SMOOTHINGS_MM, polarities, _SHARES_PERCENT)
    ]
    scores = np.zeros(len(candidates))
    for image, label in pairs:
        scores += [dice(label.array, mask) for mask in _segment(image, candidates, pieces)]
    scores /= len(pairs)
    best = int(np.argmax(scores))
    chosen = replace(candidates[best], source_dice=float(scores[best]))
    return chosen, (next(_segment(image, [chosen], pieces)) for image in target_images)


def depth_mm(image: Volume) -> np.ndarray:
    """Distance of each voxel from the head's border within its slice, in mm (Z, Y, X); 0 outside the head.

    The head is the largest foreground component with its holes filled. Each slice is taken for itself: a scan that
    ends inside the head must not lose its first and last slices with the scalp.
    """
    # Triangle: the background is one tall peak at the dark end, whatever the modality.
    foreground = sitk.TriangleThreshold(sitk.GetImageFromArray(image.array.astype(np.float32)), 0, 1)
    largest = cc3d.largest_k(sitk.GetArrayFromImage(foreground).astype(bool), k=1, connectivity=6) > 0
    depths = np.full(largest.shape, np.inf)
    for depth, part in zip(depths, largest, strict=True):
        filled = binary_fill_holes(part)
        # A slice without any background voxel stays infinitely deep: there is no border to measure from.
        if not filled.all():
            depth[:] = distance_transform_edt(filled, sampling=image.grid.spacing_zyx_mm[1:])
    return depths


def _segment(image: Volume, thresholds: Sequence[Threshold], pieces: int) -> Iterator[np.ndarray]:
    """One mask a threshold: the largest components of the voxels beyond it."""
    depth = depth_mm(image)
    smoothed = {sigma: _smooth(image, sigma) for sigma in {threshold.smoothing_mm for threshold in thresholds}}
    for threshold in thresholds:
        inside, values = depth > threshold.scalp_mm, smoothed[threshold.smoothing_mm]
        if not inside.any():
            yield inside
        elif threshold.polarity == "bright":
            bound = np.percentile(values[inside], 100.0 - threshold.share_percent)
            yield cc3d.largest_k(inside & (values > bound), k=pieces, connectivity=6) > 0
        else:
            bound = np.percentile(values[inside], threshold.share_percent)
            yield cc3d.largest_k(inside & (values < bound), k=pieces, connectivity=6) > 0


def _smooth(image: Volume, sigma_mm: float) -> np.ndarray:
    return gaussian_filter(image.array.astype(np.float32), [sigma_mm / step for step in image.grid.spacing_zyx_mm])
