"""Along which axes scans look like their mirror images: there a short training may be shown them mirrored."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from gbaseg.planning.facts import Choice, DataFacts, Triple, quantile

# Correlation with its mirror image from which on a scan looks like it. Medians of both domains: heads of the glioma set
# left to right 0.70 and 0.54, along their other axes up to 0.33; short-axis hearts up to 0.47.
_ALIKE = 0.5
# Anatomy of this size is compared, mm, and the mirror stands at most so far from the body's middle.
_DETAIL_MM, _OFF_MM = 4.0, 8.0
_FEWEST = 100  # pairs of voxels of that size that are compared
_MOST = 0.6  # of the body's voxels, at least, that are
_FEWEST_PLANES = 3  # on a side: of fewer slices nothing is known along them
_LEAST_SHARE = 1e-3  # of a voxel of that size that lies inside, at least where its middle does
_CLIPPED = 99.0  # percentile of the body that brighter voxels are lowered to
_KEY = "segmentation.network.mirrored"


def symmetry(image: np.ndarray, body: np.ndarray, spacing_zyx_mm: Triple) -> Triple:
    """Correlation of a scan with its mirror image along each axis, the mirror where it is highest.

    Args:
        image: (Z, Y, X).
        body: True inside the head, (Z, Y, X); what is outside of it or of its mirror image is left out.

    Returns:
        Along (Z, Y, X), at most 1; 0 where there is nothing to compare.
    """
    steps = [max(1, round(_DETAIL_MM / step)) for step in spacing_zyx_mm]
    coarse = tuple(slice(step // 2, None, step) for step in steps)
    inside = body[coarse]
    if not inside.any():
        return (0.0, 0.0, 0.0)
    # Means of what is inside alone: bodies are round, and dark along all of their rim would look alike everywhere.
    lowered = np.where(body, np.minimum(image, np.percentile(image[body], _CLIPPED)), 0.0)
    sums, shares = (ndimage.uniform_filter(array.astype(np.float32), steps)[coarse] for array in (lowered, body))
    smooth = np.where(inside, sums / np.maximum(shares, _LEAST_SHARE), 0.0)
    middle = ndimage.center_of_mass(inside)
    voxels = [step * size for step, size in zip(steps, spacing_zyx_mm, strict=True)]
    z, y, x = (_along(axis, smooth, inside, middle[axis], _OFF_MM / voxels[axis]) for axis in range(3))
    return (z, y, x)


def _along(axis: int, image: np.ndarray, inside: np.ndarray, middle: float, off: float) -> float:
    """The highest correlation, over mirrors on voxels and between them that stand near the middle (in voxels)."""
    image, inside = np.moveaxis(image, axis, 0), np.moveaxis(inside, axis, 0)
    found, last = [0.0], len(image) - 1
    low, high = round(2 * (middle - off)), round(2 * (middle + off))
    for twice in range(max(low, 0), min(high, 2 * last) + 1):
        # A voxel at i is mirrored to `twice` - i, if the scan reaches as far; each pair once, and none with itself.
        one = np.arange(max(0, twice - last), (twice + 1) // 2)
        other = twice - one
        both = inside[one] & inside[other]
        enough = 2 * both.sum() >= _MOST * inside.sum() and both.any(axis=(1, 2)).sum() >= _FEWEST_PLANES
        if enough and both.sum() >= _FEWEST:
            first, second = image[one][both], image[other][both]
            # Either may be the first of a pair.
            first, second = np.concatenate([first, second]), np.concatenate([second, first])
            if first.std() > 0:
                found.append(float(np.corrcoef(first, second)[0, 1]))
    return max(found)


def choose_mirrored(facts: DataFacts, why_all: str) -> Choice:
    """Axes along which patches are mirrored at random.

    Args:
        why_all: a reason for all axes, as nnU-Net does it; empty: there is none.
    """
    if why_all:
        return Choice(_KEY, None, why_all)
    domains = {"source": facts.source, "target": facts.target}
    alike = {
        domain: [quantile([scan.symmetry[axis] for scan in scans], 0.5) for axis in range(3)]
        for domain, scans in domains.items()
    }
    axes = [name for axis, name in enumerate("zyx") if all(values[axis] >= _ALIKE for values in alike.values())]
    seen = ", ".join(
        f"{name} {' and '.join(f'{values[axis]:.2f}' for values in alike.values())}" for axis, name in enumerate("zyx")
    )
    return Choice(
        _KEY, axes, f"scans like their mirror images, correlation {_ALIKE:g} or more; source and target: {seen}"
    )
