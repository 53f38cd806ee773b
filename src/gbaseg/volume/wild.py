"""Intensities that are not the patient's: padding outside the field of view, single wild voxels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gbaseg.volume.flaws import Flawed

_SAMPLE = 200_000
# At most so many voxels at either end are called wild, a share of all, or this number in tiny images.
_FEW_SHARE, _FEW = 1e-3, 10
# Distances are in widths of the others' intensities (between the few at either end). Below them MR images have nothing:
# a gap is enough. Above them are vessels, fat and contrast agent: only what is far outside is wild.
_GAP_BELOW, _FAR_BELOW, _FAR_ABOVE = 0.25, 2.0, 4.0
# Padding is one value, on at least this share of the volume's faces, and so many widths away; 0 is air, mostly.
_FACES, _PADDING_BELOW, _ZERO_BELOW = 0.05, 0.5, 4.0
# One below 0 need not be so far, where nothing is near it: scanners of CT write -2000 or -1500 outside their circle.
_NEGATIVE_GAP = 0.1
# Two groups of intensities are this share of the whole range apart: one of them is no tissue.
_EMPTY_BELOW, _EMPTY = 0.5, 0.95
_LARGEST, _SMALLEST = 1e30, 1e-30  # single precision ends at 3e38 and 1e-38; squares are taken
_BINS = 256


@dataclass
class _Range:
    """Intensities that count; `padding` are constants beyond them that stand for air."""

    low: float
    high: float
    padding: list[float] = field(default_factory=list)


def without_wild(array: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The array with wild voxels taken for what is around them, padding for air; and what was found, in words.

    An array without them is handed back as it is.

    Args:
        array: (Z, Y, X), finite.

    Raises:
        Flawed: a large share of the voxels is far from all others, or all are beyond single precision, or too near to
            each other.
    """
    low, high = float(array.min()), float(array.max())
    if low == high:
        return array, ()
    sample = _sampled(array)
    range_ = _Range(low, high)
    notes: list[str] = []
    # Wild voxels may hide padding, and padding wild voxels.
    for _ in range(3):
        found = [*_few(array, sample, range_), *_padding(array, sample, range_)]
        notes += found
        if not found:
            break
    _check_groups(sample, range_)
    if not notes:
        return array, ()
    calm = array.copy()
    calm[np.isin(array, range_.padding)] = range_.low
    wild = np.argwhere((calm < range_.low) | (calm > range_.high))
    calm[tuple(wild.T)] = _around(calm, wild, range_)
    return calm, tuple(notes)


def _around(array: np.ndarray, wild: np.ndarray, range_: _Range) -> np.ndarray:
    """Median of the ordinary of the 26 neighbours of each voxel (n, 3); the smallest ordinary where there is none.

    Not the nearest ordinary intensity: a percentile of 0 takes the darkest voxel of the head.
    """
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    at = np.clip(wild[:, None] + steps, 0, np.array(array.shape) - 1)  # (n, 27, 3)
    values = array[at[..., 0], at[..., 1], at[..., 2]].astype(np.float64)
    ordinary = (values >= range_.low) & (values <= range_.high)
    # One value in each row at least, so that there is a median.
    values[:, 0] = np.where(ordinary.any(axis=1), values[:, 0], range_.low)
    ordinary[:, 0] |= ~ordinary.any(axis=1)
    return np.nanmedian(np.where(ordinary, values, np.nan), axis=1)


def _sampled(array: np.ndarray) -> np.ndarray:
    """Every n-th voxel, double precision; n is odd, so that it does not keep step with rows of even length."""
    return array.reshape(-1)[:: max(1, array.size // _SAMPLE) | 1].astype(np.float64)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """The intensities between which all but the few lie."""
    few = min(max(int(values.size * _FEW_SHARE), min(_FEW, values.size // 20)), (values.size - 1) // 2)
    ordered = np.partition(values, [few, values.size - 1 - few])
    return float(ordered[few]), float(ordered[values.size - 1 - few])


def _within(values: np.ndarray, range_: _Range) -> np.ndarray:
    return values[(values >= range_.low) & (values <= range_.high)]


def _few(array: np.ndarray, sample: np.ndarray, range_: _Range) -> list[str]:
    """Narrow the range by single voxels far outside the others; what they were."""
    low, high = _ends(_within(sample, range_))
    width = high - low
    if width <= 0:
        return []
    below = np.sort(array[(array < low) & (array >= range_.low)])[::-1].astype(np.float64)
    steps = -np.diff(below, prepend=low)
    wild_below = np.maximum.accumulate(steps >= _GAP_BELOW * width) | (below < low - _FAR_BELOW * width)
    above = array[(array > high + _FAR_ABOVE * width) & (array <= range_.high)].astype(np.float64)
    wild = np.concatenate([below[wild_below], above])
    if not wild.size:
        return []
    if wild_below.any():
        range_.low = float(below[~wild_below].min()) if not wild_below.all() else low
    if above.size:
        range_.high = float(array[array <= high + _FAR_ABOVE * width].max())
    which = f"{wild.min():g}" if wild.min() == wild.max() else f"{wild.min():g} to {wild.max():g}"
    return [
        f"{wild.size} voxel(s) of {which}, far outside the others ({range_.low:g} to {range_.high:g}), "
        "are taken for what is around them"
    ]


def _padding(array: np.ndarray, sample: np.ndarray, range_: _Range) -> list[str]:
    """Narrow the range by a constant on the volume's faces that is far outside the others; what it was."""
    notes = []
    for end in ("low", "high"):
        value = range_.low if end == "low" else range_.high
        values = _within(sample, range_)
        rest = values[values != value]
        if values.size - rest.size <= _FEW_SHARE * values.size or rest.size < 2:
            continue
        low, high = _ends(rest)
        width = high - low
        if end == "low":
            far = low - value >= (_PADDING_BELOW if value else _ZERO_BELOW) * width
            far = far or (value < 0.0 and float(rest.min()) - value >= _NEGATIVE_GAP * width)
        else:
            far = value - high >= _FAR_ABOVE * width
        if width <= 0 or not far or _share_of_faces(array, value) < _FACES:
            continue
        inside = array[(array >= range_.low) & (array <= range_.high) & (array != value)]
        if end == "low":
            range_.low = float(inside.min())
        else:
            range_.high = float(inside.max())
        range_.padding.append(value)
        share = float(np.mean(array == value))
        notes.append(
            f"{share:.1%} of the voxels are {value:g}, far outside the others ({inside.min():g} to {inside.max():g}): "
            "padding, taken for air"
        )
    return notes


def _share_of_faces(array: np.ndarray, value: float) -> float:
    faces = [np.take(array, index, axis=axis) == value for axis in range(3) for index in (0, -1)]
    return sum(int(face.sum()) for face in faces) / sum(face.size for face in faces)


def _check_groups(sample: np.ndarray, range_: _Range) -> None:
    """Raise `Flawed` where the intensities fall into two groups, far apart, of which one cannot be tissue; or are too
    large, or too near to each other, to be told from each other."""
    largest = max(abs(range_.low), abs(range_.high))
    if largest > _LARGEST:
        raise Flawed(f"intensities from {range_.low:g} to {range_.high:g}", f"{-_LARGEST:g} to {_LARGEST:g}")
    # Of the histogram's bins each has to have a width; single precision, which all else is in, has none of less.
    if 0.0 < range_.high - range_.low < max(_BINS * np.spacing(largest), _SMALLEST):
        raise Flawed(f"intensities from {range_.low:g} to {range_.high:g}", "a spread that numbers can hold")
    values = _within(sample, range_)
    counts, edges = np.histogram(values, _BINS)
    full = np.flatnonzero(counts)
    if full.size < 3:  # a mask, mostly; or every group one value
        return
    gap = int(np.diff(full).argmax())
    empty = float(full[gap + 1] - full[gap] - 1) / _BINS
    cut = float(edges[full[gap + 1]])
    low, high = values[values < cut], values[values >= cut]
    below = low.size < high.size and low.max() < 0.0
    if empty < (_EMPTY_BELOW if below else _EMPTY):
        return
    few, others = (low, high) if low.size < high.size else (high, low)
    which = f"{few.min():g}" if few.min() == few.max() else f"{few.min():g} to {few.max():g}"
    raise Flawed(
        f"{few.size / values.size:.2%} of the voxels are {which}, far from all others "
        f"({others.min():g} to {others.max():g})",
        "the patient's intensities; padding and wild voxels written as the darkest of them",
    )
