"""Which pixels of each scale are needed for some of the finest one: a structure takes up little of its slice."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from gbaseg.augmentation.singan.networks import MARGIN, Window
from gbaseg.augmentation.singan.pyramid import Pyramid

# Pixels of the coarser image on either side of a place that bicubic interpolation takes into account, and one more.
_INTERPOLATED = 3


def window_of(masks: Iterable[np.ndarray]) -> Window | None:
    """The smallest window that holds all that is set in some masks (Y, X) of one shape; None where nothing is."""
    held = np.logical_or.reduce(list(masks))
    places = [np.flatnonzero(held.any(axis=axis)) for axis in (1, 0)]
    if not len(places[0]):
        return None
    rows, columns = (slice(int(each[0]), int(each[-1]) + 1) for each in places)
    return rows, columns


def needed(window: Window, pyramid: Pyramid, start: int) -> dict[int, Window]:
    """Of each scale from `start` on, what its generator has to give for `window` to be right at the finest one.

    What lies outside may be anything: no pixel of the next scale's is made of it.
    """
    found = {pyramid.last_scale: window}
    for scale in range(pyramid.last_scale, start, -1):
        sizes = zip(found[scale], pyramid.size(scale), pyramid.size(scale - 1), strict=True)
        rows, columns = (_below(side, size, below) for side, size, below in sizes)
        found[scale - 1] = rows, columns
    return found


def _below(side: slice, size: int, below: int) -> slice:
    """Of one axis of the scale below, which has `below` pixels for `size`."""
    ratio = below / size
    first = math.floor((side.start - MARGIN) * ratio) - _INTERPOLATED
    last = math.ceil((side.stop + MARGIN) * ratio) + _INTERPOLATED
    return slice(max(0, first), min(below, last))
