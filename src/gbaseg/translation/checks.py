"""Checks of a translation that need no target labels: stand-ins for the paper's failure rule (METHOD 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from gbaseg.patches import patch_distance, sample_patches

# Ring around the tumour: far enough for partial volume, near enough to stay in the neighbouring tissue.
_RING_MM = (1.0, 6.0)


def tumour_to_ring_contrast(
    image: np.ndarray,
    tumour: np.ndarray,
    spacing_zyx_mm: Sequence[float],
    ring_mm: tuple[float, float] = _RING_MM,
) -> float:
    """Mean intensity in the tumour minus that in a ring around it.

    The same for a pseudo-target image with the source's label and for a target image with a pseudo-label.

    Args:
        image: (Z, Y, X) in [0, 1].
        tumour: (Z, Y, X) mask.
        spacing_zyx_mm: voxel size along (Z, Y, X).
        ring_mm: the ring's distance from the tumour, from (excluded) and to (included).

    Returns:
        In [-1, 1]; nan where tumour or ring is empty.
    """
    tumour = tumour.astype(bool)
    if not tumour.any():
        return float("nan")
    # The distance is needed near the tumour only.
    margin = [int(np.ceil(ring_mm[1] / step)) + 1 for step in spacing_zyx_mm]
    box = tuple(
        slice(max(0, part.start - more), part.stop + more)
        for part, more in zip(ndimage.find_objects(tumour.astype(np.int8))[0], margin, strict=True)
    )
    distance_mm = ndimage.distance_transform_edt(~tumour[box], sampling=spacing_zyx_mm)
    ring = (distance_mm > ring_mm[0]) & (distance_mm <= ring_mm[1])
    if not ring.any():
        return float("nan")
    return float(image[box][tumour[box]].mean() - image[box][ring].mean())


def edge_agreement(source: np.ndarray, translated: np.ndarray) -> float:
    """Pearson correlation of the in-plane gradient magnitudes of two (Z, Y, X) images; nan if one is flat.

    Modalities share where the edges are, not their sign: 1 = same edges, 0 = unrelated.
    """
    first, second = (
        np.sqrt(sum(np.square(part) for part in np.gradient(image.astype(np.float32), axis=(1, 2)))).ravel()
        for image in (source, translated)
    )
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(first @ second) / norm if norm > 0.0 else float("nan")


def edge_strength(images: np.ndarray) -> float:
    """In-plane gradient magnitude that one pixel of a hundred exceeds, per pixel, in slices or patches (N, Y, X)."""
    squares = sum(np.square(part) for part in np.gradient(images.astype(np.float32), axis=(1, 2)))
    return float(np.sqrt(np.percentile(squares[:, 1:-1, 1:-1], 99.0)))


def noise_level(images: np.ndarray) -> float:
    """SD of the noise in slices or patches (N, Y, X), by their second differences, which pass over most of the anatomy.

    Source: Immerkær, Fast noise variance estimation, 1996; here the median, which edges do not move, in place of the
    mean, and without what is flat: air that was set to 0 has no noise.
    """
    second = np.array([1.0, -2.0, 1.0], np.float32)
    found = np.abs(ndimage.correlate1d(ndimage.correlate1d(images.astype(np.float32), second, 1), second, 2))
    found = found[:, 1:-1, 1:-1]
    found = found[found > 0.0]
    # 36: the sum of the squared weights; 0.6745: the median of |N(0, 1)|.
    return float(np.median(found) / 6.0 / 0.6745) if found.size else 0.0


def sharpening(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """What a deconvolution does to an image (Z, Y, X): by how much edges and noise grow; nan of what has none."""
    return {
        "edge_gain": _ratio(edge_strength(after), edge_strength(before)),
        "noise_gain": _ratio(noise_level(after), noise_level(before)),
    }


def _ratio(of: float, to: float) -> float:
    return of / to if to > 0.0 else float("nan")


def cycle_error(source: np.ndarray, there_and_back: np.ndarray) -> float:
    """Mean |F(G(x)) - x| on intensities in [0, 1] (Eq. 2)."""
    return float(np.mean(np.abs(source - there_and_back), dtype=np.float64))


def check_case(
    source: np.ndarray,
    pseudo_target: np.ndarray,
    there_and_back: np.ndarray,
    target_patches: np.ndarray,
    spacing_zyx_mm: Sequence[float],
    rng: np.random.Generator,
    tumour: np.ndarray | None = None,
) -> dict[str, float]:
    """All checks of one translated case.

    Args:
        source, pseudo_target, there_and_back: x, G(x) and F(G(x)), (Z, Y, X) in [0, 1].
        target_patches: `sample_patches` of real target images, (n, size * size).
        spacing_zyx_mm: voxel size along (Z, Y, X).
        rng: draws the patches of the pseudo-target and the directions.
        tumour: the source's label as a mask; without it the contrasts are nan.

    Returns:
        `source_contrast`, `pseudo_target_contrast` (tumour minus ring), `edge_agreement`, `cycle_error`,
        `patch_distance`, and `source_patch_distance`: the distance before translation, to judge it by;
        `edges_to_target` and `noise_to_target`: of the pseudo-target's patches over the target's, 1 where it is as
        sharp, and as noisy.
    """
    count, size = len(target_patches), int(np.sqrt(target_patches.shape[1]))
    mask = np.zeros(source.shape, dtype=bool) if tumour is None else tumour

    patches = sample_patches(pseudo_target, size, count, rng)
    shown, real = (some.reshape(-1, size, size) for some in (patches, target_patches))
    return {
        "source_contrast": tumour_to_ring_contrast(source, mask, spacing_zyx_mm),
        "pseudo_target_contrast": tumour_to_ring_contrast(pseudo_target, mask, spacing_zyx_mm),
        "edge_agreement": edge_agreement(source, pseudo_target),
        "cycle_error": cycle_error(source, there_and_back),
        "patch_distance": patch_distance(patches, target_patches, rng),
        "source_patch_distance": patch_distance(sample_patches(source, size, count, rng), target_patches, rng),
        "edges_to_target": _ratio(edge_strength(shown), edge_strength(real)),
        "noise_to_target": _ratio(noise_level(shown), noise_level(real)),
    }
