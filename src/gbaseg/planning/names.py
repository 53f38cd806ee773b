"""Names of scans and their labels: which belong together, and what a case is called after them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from gbaseg.planning.nnunet_folders import FIRST
from gbaseg.raw.table import unfit_name
from gbaseg.settings import UNSEEN_BY_DVC

SEPARATORS = "_-. "


def pair(images: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Image -> label, by equal names; else by names without what all images, and all labels, end and begin with.

    Of these ways the first that leaves none over is taken, else the one that pairs most.
    """
    best: dict[str, str] = {}
    ways = [(_as_is, _as_is), (_without_ending, _as_is), (_as_is, _without_ending), (_without_ending, _without_ending)]
    for of_images, of_labels in [*ways, (_without_channel, _as_is), (_without_both, _without_both)]:
        keys_of_images, keys_of_labels = of_images(images), of_labels(labels)
        counts = Counter(keys_of_images.values()) + Counter(keys_of_labels.values())
        by_key = {key: name for name, key in keys_of_labels.items()}
        pairs = {name: by_key[key] for name, key in keys_of_images.items() if key in by_key and counts[key] == 2}
        if len(pairs) > len(best):
            best = pairs
        if len(best) == len(images) == len(labels):
            break
    return best


def _as_is(names: Sequence[str]) -> dict[str, str]:
    return {name: name for name in names}


def _without_ending(names: Sequence[str]) -> dict[str, str]:
    ending = common_ending(names)
    return {name: without(name, ending) for name in names}


def _without_channel(names: Sequence[str]) -> dict[str, str]:
    """Without nnU-Net's channel: of one scan alone it is no common ending."""
    return {name: name.removesuffix(FIRST) for name in names}


def _without_both(names: Sequence[str]) -> dict[str, str]:
    """Without what stands before the first digit in all of them, too: `img_007` and `seg_007`."""
    keys = _without_ending(names)
    beginnings = {re.split(r"\d", key, maxsplit=1)[0] for key in keys.values()}
    if len(beginnings) > 1:
        return keys
    return {name: key.removeprefix(next(iter(beginnings), "")) or key for name, key in keys.items()}


def common_ending(names: Sequence[str]) -> str:
    """What all of two and more names end in, from a separator on: `_ceT1`; empty where there is no such."""
    if len(names) < 2:
        return ""
    first, *others = [name[::-1] for name in names]
    length = 0
    while length < len(first) and all(other[length : length + 1] == first[length] for other in others):
        length += 1
    common = first[:length][::-1]
    start = next((index for index, sign in enumerate(common) if sign in SEPARATORS), None)
    ending = "" if start is None else common[start:]
    # A name that is nothing but the ending would be left without one.
    return ending if all(len(name) > len(ending) for name in names) else ""


def without(name: str, ending: str) -> str:
    return name[: len(name) - len(ending)]


def plain(name: str) -> str:
    """A name that files can be named after, but for its length."""
    fitting = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    fitting = fitting if re.match(r"[A-Za-z0-9]", fitting) else f"case{fitting}"
    if fitting in UNSEEN_BY_DVC:
        return f"case-{fitting}"
    # `p1.nii`, of p1.nii.nii.gz, would end like two formats.
    return fitting.replace(".", "-") if unfit_name(fitting) else fitting
