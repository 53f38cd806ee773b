"""Factors from what the target shows, in the place of factors set by hand (ours; the paper names it as future work).

Contrast is against the ring around a structure, not against 0: a factor on intensities cannot make a structure that is
darker than its surroundings brighter than these. A change towards a contrast c and a spread s is

    x' = r + c + g (x - m),    g = +- s / sd,

with r, m, sd the ring's mean, the structure's mean and its SD: it keeps the structure's texture and its soft rim. g is
negative where the contrast changes its sign, so that the rim, whose voxels are partly ring, stays between the two.

Which contrast a case of the source should have does not follow from the case (on real patients the factor that it needs
hardly correlates with it), so contrasts are drawn from the target's distribution, and none is predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from gbaseg.augmentation.alterations.diameter import LARGEST
from gbaseg.augmentation.appearance import Appearance, mean_of, ring_around
from gbaseg.augmentation.rescale import Change

# Texture is made at most so much stronger or weaker.
_GAINS = (0.4, 2.5)
# Of the SD of what the target shows, how far a drawn look may lie from one that was seen: what the survey missed.
_WIDER = 0.5
# Of contrasts that nobody has seen, the least: with none at all a structure is not to be seen.
_FAINT = 0.03
# Fewer looks than this are no distribution: then contrasts are spread evenly, up to this one of either sign.
FEWEST = 4
UNKNOWN_CONTRAST = 0.3
# Where a contrast is given back it fades over the edge; of one that has no inside to speak of it is not given back.
_FADE_PX, _LEAST_REACH = 1.0, 0.05
# Cases whose distances to all others are had at once.
_ROWS = 1024
# Of the source's volumes' ranks, how far those of the target's looks are mixed up before they meet.
_MIXED = 0.2


class Wanted(NamedTuple):
    """What a copy is to look like.

    Args:
        change: of its intensities.
        diameter: factor on the structure's.
    """

    change: Change
    diameter: float = 1.0


def towards(seen: Appearance, contrast: float, spread: float | None = None) -> Change | None:
    """The change that gives a structure a contrast against its ring, before intensities are clipped to [0, 1].

    Args:
        seen: the structure as it is.
        contrast: wanted, mean inside - mean of the ring.
        spread: SD wanted; `None`: its own.

    Returns:
        `None` of a structure that is absent, or has no ring.
    """
    if not np.isfinite(seen.contrast):
        return None
    sign = -1.0 if seen.contrast * contrast < 0 else 1.0
    strength = spread / seen.std if spread is not None and seen.std > 0 else 1.0
    gain = sign * float(np.clip(strength, *_GAINS))
    ring = seen.mean - seen.contrast
    return Change(gain, ring + contrast - gain * seen.mean)


def evenly(seen: Appearance, count: int, within: float) -> list[Change]:
    """Changes to contrasts that are evenly spread over all that intensities in [0, 1] allow, but for the faintest.

    Args:
        seen: the structure as it is.
        count: of them.
        within: largest contrast, of either sign.
    """
    ring = seen.mean - seen.contrast
    if not np.isfinite(ring):
        return []
    darkest, brightest = min(within, ring), min(within, 1.0 - ring)
    # Along the darker contrasts from the strongest to the faintest, and on along the brighter ones.
    below, above = max(0.0, darkest - _FAINT), max(0.0, brightest - _FAINT)
    places = (np.arange(count) + 0.5) / count * (below + above)
    contrasts = [place - darkest if place < below else _FAINT + place - below for place in places]
    changes = [towards(seen, float(contrast)) for contrast in contrasts] if below + above else []
    return [change for change in changes if change is not None]


def keep_contrast(
    image: np.ndarray,
    wanted: np.ndarray,
    label: np.ndarray,
    value: int,
    spacing_zyx_mm: tuple[float, float, float],
) -> np.ndarray:
    """Give a structure that was blended in the contrast that it was drawn with.

    A SinGAN draws what it harmonises towards its own slice: of the contrasts that were drawn for gliomas a short
    training left a third to three quarters. What it is for, texture and a soft rim, stays: one number is added to the
    whole structure, fading over its edge by a Gaussian of a pixel, two pixels wide at most.

    Args:
        image: (Z, Y, X) in [0, 1], harmonised and blended.
        wanted: the same before that, in which the structure has its contrast.
        label: of both; other structures stay as they are.
        value: the structure's.
        spacing_zyx_mm: voxel size, mm.

    Returns:
        float32 in [0, 1]; `image` where the structure is absent, or has no ring.
    """
    inside = label == value
    if not inside.any():
        return image
    box, ring = ring_around(label, spacing_zyx_mm, value)
    weight = gaussian_filter(inside.astype(np.float32), (0.0, _FADE_PX, _FADE_PX), mode="nearest", truncate=2.0)
    weight[(label != 0) & ~inside] = 0.0

    def contrast(of: np.ndarray) -> float:
        return float(of[inside].mean(dtype=np.float64)) - mean_of(of, box, ring)

    reach, lost = contrast(weight), contrast(wanted) - contrast(image)
    if not (np.isfinite(lost) and reach > _LEAST_REACH):
        return image
    return np.clip(image + np.float32(lost / reach) * weight, 0.0, 1.0).astype(np.float32)


def possible(contrast: float, spread: float, ring: float) -> float:
    """The nearest contrast that intensities in [0, 1] leave room for, with one spread to either side."""
    low, high = min(0.0, spread - ring), max(0.0, 1.0 - spread - ring)
    return float(np.clip(contrast, low, high))


def known(looks: Sequence[Appearance]) -> list[Appearance]:
    """Those with a contrast: the structure is there, and something around it."""
    return [one for one in looks if np.isfinite(one.contrast)]


def draw(
    sources: Sequence[Appearance],
    target: Sequence[Appearance],
    copies: int,
    rng: np.random.Generator,
    sizes: bool = False,
) -> list[list[Wanted]]:
    """What to make of each source case, so that all copies together are distributed as the target is.

    Looks (contrast, spread, volume) are taken from the target's cases alike, each with noise of half their SD, since
    what the survey found is a sample, and what it missed lies beside it. They meet the source's cases by the ranks of
    their volumes, mixed up a little: a large tumour is given what large ones of the target look like. Where the target
    shows too few to go by, all contrasts are taken alike.

    Args:
        sources: the structure in each case; all of them with a contrast (`known`).
        target: as the survey or a round finds it; likewise.
        copies: of each case.
        sizes: they also take a volume that the target shows, as far as a diameter times 0.8 to 1.25 goes.

    Returns:
        A list a source case, in their order.
    """
    if len(target) < FEWEST:
        return [[Wanted(change) for change in evenly(source, copies, UNKNOWN_CONTRAST)] for source in sources]
    count = len(sources) * copies
    if not count:
        return []
    seen = np.array([(one.contrast, one.std, np.log(one.volume_mm3)) for one in target])
    # Each target case as often as any other, up to one.
    chosen = np.concatenate([rng.permutation(len(seen)) for _ in range(-(-count // len(seen)))])[:count]
    looks = seen[chosen] + _WIDER * seen.std(axis=0) * rng.standard_normal((count, seen.shape[1]))
    slots = np.repeat(np.arange(len(sources)), copies)
    volumes = np.array([np.log(one.volume_mm3) for one in sources])[slots]
    by_volume, looks_by_volume = _mixed_ranks(volumes, rng), _mixed_ranks(looks[:, 2], rng)
    found: list[list[Wanted]] = [[] for _ in sources]
    for slot, look in zip(slots[by_volume], looks[looks_by_volume], strict=True):
        source, spread = sources[slot], max(float(look[1]), 0.0)
        change = towards(source, possible(float(look[0]), spread, source.mean - source.contrast), spread)
        assert change is not None, "sources have a contrast"
        diameter = float(np.exp((look[2] - np.log(source.volume_mm3)) / 3.0)) if sizes else 1.0
        found[slot].append(Wanted(change, float(np.clip(diameter, 1.0 / LARGEST, LARGEST))))
    return found


def _mixed_ranks(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places in the order of the values, each moved at random by a share of them all."""
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return np.argsort(ranks + _MIXED * len(values) * rng.standard_normal(len(values)), kind="stable")


def energy_distance(one: Sequence[Appearance], other: Sequence[Appearance]) -> float:
    """Between two sets of cases, by contrast and logarithm of the volume, in SDs of the other set (Szekely, 2003).

    Returns:
        2 E|X - Y| - E|X - X'| - E|Y - Y'|, 0 of equal distributions; nan where a set has fewer than two cases with a
        contrast, or the other one no spread.
    """
    first, second = _places(one), _places(other)
    if min(len(first), len(second)) < 2:
        return float("nan")
    unit = second.std(axis=0)
    if unit.min() < 1e-6:
        return float("nan")
    first, second = first / unit, second / unit
    between, within_first, within_second = (
        _mean_distance(a, b) for a, b in ((first, second), (first, first), (second, second))
    )
    return 2.0 * between - within_first - within_second


def chance_distance(count: int, other: Sequence[Appearance]) -> float:
    """What `energy_distance` is on average of cases that come from where those of the other set come from.

    Args:
        count: of the cases.
        other: two or more with a contrast, and with spread.

    Returns:
        (1 / count + 1 / n) E|Y - Y'|, of the n cases of the other set, each pair of different ones.
    """
    places = _places(other)
    places, n = places / places.std(axis=0), len(places)
    return (1 / count + 1 / n) * _mean_distance(places, places) * n / (n - 1)


def _places(looks: Sequence[Appearance]) -> np.ndarray:
    """(n, 2): contrast, and logarithm of the volume, of those with a contrast."""
    found = [(look.contrast, np.log(look.volume_mm3)) for look in known(looks)]
    return np.array(found, dtype=float).reshape(-1, 2)


def _mean_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Of all pairs; thousands of copies some rows at a time, since all their distances at once are gigabytes."""
    parts = range(0, len(first), _ROWS)
    return float(sum(cdist(first[row : row + _ROWS], second).sum() for row in parts)) / (len(first) * len(second))
