"""Intensities and structures: facts in, values with their reasons out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from gbaseg.errors import some_of
from gbaseg.planning.facts import PERCENTS, Choice, DataFacts, ScanFacts, quantile

# Skull-stripped: air is exactly 0, at the sides and in a good part of the scan, in nearly all scans.
_STRIPPED_SIDES, _STRIPPED_SHARE, _OF_SCANS = 0.99, 0.2, 0.9
# Of the range of intensities, where 0 is no longer its dark end.
_GREY = 0.1
# The body fills the view: no air to be left out.
_FULL = 0.95
# The range may be so many times as wide as from a body's darkest to its bright part (its 75th percentile): fluid on T2
# is 3 to 4 times as bright as tissue. Where a few voxels are brighter (fat beside a coil, vessels) all else has little
# of the range left.
_STRETCHED = 5.0
# Ends of the range to choose from, and the share of a structure that it may not clip in more than a few cases.
_ENDS = tuple(percent for percent in PERCENTS[::-1] if percent >= 98.0)
_UNCLIPPED = 0.9


def grey_air(facts: DataFacts) -> list[str]:
    """A warning where what was cut out is 0 and tissue is darker, as in scans that were brought to mean 0 and SD 1."""
    grey = [scan.case for scan in facts.seen if scan.zero_at > _GREY]
    if choose_foreground(facts).value != "nonzero" or not grey:
        return []
    shown = some_of(grey, 3)
    return [
        f"0 is all around and tissue is darker than it in {len(grey)} of {len(facts.seen)} scans ({shown}): what was "
        "cut out will be as grey as tissue; take the scans as they were before they were normalised, or write their "
        "least value there"
    ]


def choose_foreground(facts: DataFacts) -> Choice:
    """Which voxels the intensity range is of."""
    key = "standardise.foreground"
    scans = facts.seen
    stripped = [scan for scan in scans if _is_stripped(scan)]
    # In each domain: one of few scans would be outnumbered by the other.
    if all(sum(map(_is_stripped, of)) >= _OF_SCANS * len(of) for of in (facts.source, facts.target)):
        return Choice(key, "nonzero", f"all around is exactly 0 in {len(stripped)} of {len(scans)} scans: cut out")
    fills = quantile([scan.head_share for scan in scans], 0.5)
    if fills >= _FULL:
        return Choice(key, "all", f"the body fills {fills:.0%} of the median scan: there is no air to leave out")
    return Choice(
        key,
        "head",
        f"Otsu, slices filled: {fills:.0%} of the median scan; {len(scans) - len(stripped)} of {len(scans)} scans are "
        "not cut out of zeros",
    )


def _is_stripped(scan: ScanFacts) -> bool:
    return scan.edge_zeros >= _STRIPPED_SIDES and scan.zeros >= _STRIPPED_SHARE


def choose_range(facts: DataFacts, structures: Mapping[str, int]) -> Choice:
    """Percentiles of the foreground that become 0 and 1: the widest that a few voxels do not stretch."""
    ratios = {
        end: max(
            quantile([_reach(scan.percentiles, end) / _tissue(scan.percentiles) for scan in scans], 0.5)
            for scans in (facts.source, facts.target)
        )
        for end in _ENDS
    }
    labels = [pair for value in structures.values() for pair in facts.labels(value)]

    def clips(end: float) -> bool:
        place = PERCENTS.index(end)
        held = sum(label.bright <= scan.percentiles[place] for scan, label in labels)
        return held < _UNCLIPPED * len(labels)

    key, widest = "standardise.intensity_percentiles", _ENDS[0]
    fitting = [end for end in _ENDS if ratios[end] <= _STRETCHED and not (end != widest and clips(end))]
    if fitting:
        end = fitting[0]
        reason = f"of the foreground; the end is {ratios[end]:.1f} times as far from its darkest as the 75th percentile"
        if end != widest:
            reason += f" ({widest:g}: {ratios[widest]:.1f}, a few bright voxels)"
        return Choice(key, [0, end], reason)
    lowest = _ENDS[-1]
    if ratios[lowest] > _STRETCHED:
        reason = f"even {lowest:g} is {ratios[lowest]:.1f} times as far from its darkest as the 75th percentile"
    else:
        reason = f"a lower end would clip the structures, though few voxels stretch it ({ratios[widest]:.1f})"
    return Choice(key, [0, widest], f"of the foreground; {reason}")


def _reach(percentiles: tuple[float, ...], percent: float) -> float:
    """How far a percentile is from the darkest voxel of the body: wherever a scan's intensities begin."""
    return percentiles[PERCENTS.index(percent)] - percentiles[0]


def _tissue(percentiles: tuple[float, ...]) -> float:
    """That of the 75th; a body that is mostly as dark as its darkest voxel has none."""
    return _reach(percentiles, 75.0) or _reach(percentiles, PERCENTS[-1]) or 1.0


def of_one_scan(facts: DataFacts, structures: Mapping[str, int]) -> list[str]:
    """A warning for each structure that a single label holds: folds are split by patient."""
    found = {name: facts.labels(value) for name, value in structures.items()}
    return [
        f"{name} is in one label of {len(facts.source)} alone ({labels[0][0].case}): a network whose fold holds that "
        "one out is shown none of the source's"
        for name, labels in found.items()
        if len(labels) == 1
    ]


def choose_structures(facts: DataFacts, structures: Mapping[str, int]) -> list[Choice]:
    """Structures with the pieces that most source labels have of them, and the values that may occur."""
    written: dict[str, Any] = {}
    said = []
    for name, value in structures.items():
        counts = Counter(label.pieces for _, label in facts.labels(value))
        # Ties: fewer.
        usual = min(counts, key=lambda count: (-counts[count], count))
        written[name] = {"value": value, "pieces": usual} if usual > 1 else value
        held, labels = sum(counts.values()), len(facts.source)
        such = f" that hold it, of {labels}" if held < labels else ""
        said.append(f"{name} in {usual} piece(s) in {counts[usual]} of {held} labels{such}")
    others = sorted(facts.values.keys() - set(structures.values()))
    counted = ", ".join(str(facts.values[value]) for value in others)
    also = f"; {', '.join(map(str, others))} left alone (in {counted} of {len(facts.source)})" if others else ""
    return [
        Choice("dataset.structures", written, f"{'; '.join(said)}; the first one steers (SinGAN's slice, stopping)"),
        Choice("dataset.known_labels", sorted(facts.values), f"all that the source's labels hold{also}"),
    ]
