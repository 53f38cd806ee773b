"""Checks of a translation that need no target labels: stand-ins for the paper's failure rule (METHOD 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from gbaseg.patches import patch_distance, sample_patches
from gbaseg.translation.settings import FailureChecks

# Ring around the tumour: far enough for partial volume, near enough to stay in the neighbouring tissue.
_RING_MM = (1.0, 6.0)
# Of |[1, -2, 1] x [1, -2, 1]| on white noise of SD 1: the weights' norm, and the median of |a normal variate|.
_MEDIAN_OF_NOISE = 6.0 * 0.67449


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


def cycle_error(source: np.ndarray, there_and_back: np.ndarray) -> float:
    """Mean |F(G(x)) - x| on intensities in [0, 1] (Eq. 2)."""
    return float(np.mean(np.abs(source - there_and_back), dtype=np.float64))


def edge_and_noise(patches: np.ndarray) -> tuple[float, float]:
    """How steep the edges of an image are, and how much it varies from pixel to pixel.

    Args:
        patches: `sample_patches`, (n, size * size), size at least 3.

    Returns:
        Mean gradient of the steepest twentieth of the pixels, per pixel; SD of the noise by the median response to
        the difference of two Laplacians, which edges hardly reach (Immerkaer 1996).
    """
    size = int(np.sqrt(patches.shape[1]))
    square = patches.reshape(-1, size, size)
    along_y, along_x = (
        (square[:, 2:, 1:-1] - square[:, :-2, 1:-1]) / 2,
        (square[:, 1:-1, 2:] - square[:, 1:-1, :-2]) / 2,
    )
    gradient = np.hypot(along_y, along_x).ravel()
    steepest = np.partition(gradient, -max(1, gradient.size // 20))[-max(1, gradient.size // 20) :]
    differences = np.diff(np.diff(square, 2, axis=1), 2, axis=2)
    return float(steepest.mean()), float(np.median(np.abs(differences)) / _MEDIAN_OF_NOISE)


def check_case(
    source: np.ndarray,
    before: np.ndarray,
    pseudo_target: np.ndarray,
    there_and_back: np.ndarray,
    target_patches: np.ndarray,
    spacing_zyx_mm: Sequence[float],
    rng: np.random.Generator,
    tumour: np.ndarray | None = None,
) -> dict[str, float]:
    """All checks of one translated case.

    Args:
        source, before, pseudo_target, there_and_back: x, G(x), G(x) deconvolved, and F(G(x)), (Z, Y, X) in [0, 1].
        target_patches: `sample_patches` of real target images, (n, size * size).
        spacing_zyx_mm: voxel size along (Z, Y, X).
        rng: draws the patches of the pseudo-target and the directions.
        tumour: the source's label as a mask; without it the contrasts are nan.

    Returns:
        `source_contrast`, `pseudo_target_contrast` (tumour minus ring), `edge_agreement`, `cycle_error`,
        `patch_distance`, and `source_patch_distance`: the distance before translation, to judge it by. What the
        deconvolution does: `edge_before`, `edge_after`, `edge_gain` (after over before), and the same for the `noise`;
        `edge_target` and `noise_target`, of the real target, are what they should come to.
    """
    count, size = len(target_patches), int(np.sqrt(target_patches.shape[1]))
    mask = np.zeros(source.shape, dtype=bool) if tumour is None else tumour

    def patches(image: np.ndarray) -> np.ndarray:
        return sample_patches(image, size, count, rng)

    def distance(sample: np.ndarray) -> float:
        return patch_distance(sample, target_patches, rng)

    after = patches(pseudo_target)
    checks = {
        "source_contrast": tumour_to_ring_contrast(source, mask, spacing_zyx_mm),
        "pseudo_target_contrast": tumour_to_ring_contrast(pseudo_target, mask, spacing_zyx_mm),
        "edge_agreement": edge_agreement(source, pseudo_target),
        "cycle_error": cycle_error(source, there_and_back),
        "patch_distance": distance(after),
        "source_patch_distance": distance(patches(source)),
    }
    measured = (edge_and_noise(sample) for sample in (patches(before), after, target_patches))
    for name, (was, became, real) in zip(("edge", "noise"), zip(*measured, strict=True), strict=True):
        gain = became / was if was > 0.0 else float("nan")
        checks |= {f"{name}_before": was, f"{name}_after": became, f"{name}_gain": gain, f"{name}_target": real}
    return checks


def failed_checks(checks: Mapping[str, float | None], limits: FailureChecks) -> list[str]:
    """The checks by which a translation has failed, each with its value and its limit.

    Args:
        checks: means over the cases of what `check_case` gives, and `contrast_distance` where it is known; `None`: not
            defined, and not judged by.
        limits: `None`: not looked at.
    """
    after, before = checks.get("patch_distance"), checks.get("source_patch_distance")
    found = {
        "edge_agreement_below": checks.get("edge_agreement"),
        "cycle_error_above": checks.get("cycle_error"),
        "patch_ratio_above": after / before if after is not None and before else None,
        "contrast_distance_above": checks.get("contrast_distance"),
    }
    faults = []
    for name, limit in limits:
        value = found[name]
        if value is not None and limit is not None and (value < limit if name.endswith("_below") else value > limit):
            check, _, side = name.replace("_", " ").rpartition(" ")
            faults.append(f"{check} {value:.3g}, {side} {limit:g} (translation.failure_checks.{name})")
    return faults
