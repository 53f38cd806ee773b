"""Slices, grid and crop: facts in, values with their reasons out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from gbaseg.errors import some_of
from gbaseg.planes import Slices
from gbaseg.planning.facts import Choice, DataFacts, LabelFacts, ScanFacts, quantile
from gbaseg.volume import Grid
from gbaseg.workflow.slices import slices_of

# Around every labelled structure, mm and voxels: where a body lies differs from scan to scan, and a crop's centre by a
# voxel from where it is found on the scan's own grid.
MARGIN_MM, _MARGIN_PX = 5.0, 2
# Of the scans, so that one with a table or an arm in it does not make the crop of all.
_MOST_BODIES = 0.9
# Of the cases, the thinnest: no grid is to be too coarse for them.
_THIN = 0.1
# Smoothing before shrinking takes the edge off what is as few voxels across (the demonstration's tumours are 6), and
# does nothing where voxels hardly grow.
_BLUNTED_UNDER, _GROWS = 8.0, 1.2
# Voxels from which on something round is surely met by one's middle, and not with its poles alone.
_SAMPLED = 1.5
# What the CycleGAN's generator halves twice without a rest.
_EVEN = 4


@dataclass(frozen=True)
class Detail:
    """How fine a grid may be.

    Args:
        most_px: sides of a slice, voxels; `most_slices`: of a scan.
        across: voxels across the thinnest structure that the grid has in any case.
    """

    most_px: int
    most_slices: int
    across: float


@dataclass(frozen=True)
class Frame:
    """The standard grid: `spacing_mm` (in the slice, across them), `crop_px`, and what a structure is on it.

    Args:
        slices: of the median scan, of the domain that has fewer; `mean_slices`: of all scans.
        thinnest_px: voxels across the thinnest structure (tenth of the cases).
    """

    spacing_mm: tuple[float, float]
    crop_px: int
    slices: int
    mean_slices: int
    thinnest_px: float
    choices: tuple[Choice, ...] = ()


def choose_slices(grids: Mapping[str, Grid]) -> tuple[Slices, Choice, list[str]]:
    """Those in which all scans lie alike and are thick across: as acquired where that holds, else of a plane.

    Args:
        grids: own grids by case.

    Returns:
        The slices, the choice, and a warning a line where none suits all scans.
    """
    found = {slices: slices_of(grids, slices) for slices in get_args(Slices)}
    unfit = {slices: len({*one.otherwise, *one.thick_in_plane}) for slices, one in found.items()}
    best: Slices = min(get_args(Slices), key=lambda slices: unfit[slices])
    planes = ", ".join(f"{count} {plane}" for plane, count in found[best].planes.items())
    reason = f"slices of {planes}"
    if best != "acquired":
        reason += (
            f"; as acquired {unfit['acquired']} of {len(grids)} scans would lie otherwise or be thick in the slice"
        )
    return best, Choice("standardise.slices", best, reason), found[best].warnings


def frame_of(facts: DataFacts, structures: Mapping[str, int], detail: Detail) -> Frame:
    """The grid that is as fine as the target's scans where the budget allows, and its crop.

    Args:
        facts: of the data.
        structures: label values by name.
        detail: what the budget allows.
    """
    names = {value: name for name, value in structures.items()}
    labels = [(scan, label) for value in names for scan, label in facts.labels(value)]
    native = quantile([math.sqrt(scan.spacing_mm[1] * scan.spacing_mm[2]) for scan in facts.target], 0.5)
    held_mm = 2 * (reach(facts, structures) + MARGIN_MM)
    side_mm, why_side = _side(facts, held_mm)
    thin, thin_name = min(
        (quantile([label.across_mm for _, label in facts.labels(value)], _THIN), name) for value, name in names.items()
    )
    coarsest, finest_asked = thin / detail.across, side_mm / detail.most_px
    in_plane = _rounded(max(native, min(coarsest, finest_asked)))
    across, why_across = _across(facts, [label.high_mm[0] - label.low_mm[0] for _, label in labels], detail)
    crop = _EVEN * math.ceil(max(side_mm / in_plane, held_mm / in_plane + 2 * _MARGIN_PX) / _EVEN)
    if in_plane <= native * 1.05:
        why = f"in the slice the target's median, {native:.3g} mm"
    elif coarsest < finest_asked:
        why = f"in the slice {detail.across:g} voxels across the thinnest structure ({thin_name}, {thin:.3g} mm)"
    else:
        why = f"in the slice {detail.most_px} voxels for {side_mm:.0f} mm (the target's own: {native:.3g} mm)"
    smooth = in_plane > _GROWS * native and thin / in_plane >= _BLUNTED_UNDER
    if in_plane <= _GROWS * native:
        smooth, why_smooth = True, "the grid is about as fine as the target's scans"
    else:
        why_smooth = (
            f"{in_plane / native:.1f} times the target's voxels, against aliasing"
            if smooth
            else f"{thin_name} is {thin / in_plane:.1f} voxels across, and smoothing would blunt its edges"
        )
    heights = [[scan.extent_mm(0) for scan in scans] for scans in (facts.source, facts.target)]
    return Frame(
        (in_plane, across),
        crop,
        max(1, round(min(quantile(of_domain, 0.5) for of_domain in heights) / across)),
        max(1, round(sum(map(sum, heights)) / len(facts.seen) / across)),
        thin / in_plane,
        (
            Choice("standardise.spacing_xyz_mm", [in_plane, in_plane, across], f"mm; {why}; {why_across}"),
            Choice("standardise.smooth_shrinking", smooth, why_smooth),
            Choice("standardise.crop_xy_px", crop, f"{crop * in_plane:.0f} mm: {why_side}"),
            Choice("standardise.crop_z_px", None, "all slices: where along them the target has it is not known"),
            Choice("standardise.fine_spacing_xyz_mm", None, "the standard grid is that of the last round, too"),
        ),
    )


def reach(facts: DataFacts, structures: Mapping[str, int]) -> float:
    """How far labelled structures reach from the crop's centre in the slice, mm: that of the farthest case."""
    return max(
        scan.reach_mm(label.low_mm, label.high_mm, axis)
        for value in structures.values()
        for scan, label in facts.labels(value)
        for axis in (1, 2)
    )


def lost_between(facts: DataFacts, structures: Mapping[str, int], spacing_xyz_mm: Sequence[float]) -> list[str]:
    """A warning for each structure that the grid may miss in a label, where its voxels are larger than the scan's."""
    in_plane, _, across = spacing_xyz_mm

    def missed(scan: ScanFacts, label: LabelFacts) -> bool:
        sides = (
            (across, scan.spacing_mm[0], label.high_mm[0] - label.low_mm[0]),
            (in_plane, min(scan.spacing_mm[1:]), label.across_mm),
        )
        return any(voxel > _GROWS * own and size < _SAMPLED * voxel for voxel, own, size in sides)

    lines = []
    for name, value in structures.items():
        labels = facts.labels(value)
        if cases := [scan.case for scan, label in labels if missed(scan, label)]:
            shown = some_of(cases, 3)
            voxel = " x ".join(f"{side:g}" for side in spacing_xyz_mm)
            lines.append(
                f"{name} is hardly larger than the grid's voxels, {voxel} mm, in {len(cases)} of {len(labels)} labels "
                f"({shown}): there it comes out too small, too large or not at all (standardise.spacing_xyz_mm)"
            )
    return lines


def _side(facts: DataFacts, held_mm: float) -> tuple[float, str]:
    """Side of the square crop, mm, and why; `held_mm`: that holds the labels."""
    bodies = [
        2 * max(scan.reach_mm(scan.body_low_mm, scan.body_high_mm, axis) for axis in (1, 2)) for scan in facts.target
    ]
    views = [max(scan.extent_mm(1), scan.extent_mm(2)) for scan in facts.target]
    # A body that fills the view is not held whole by any crop that is not mostly padding.
    body, view = quantile(bodies, _MOST_BODIES), quantile(views, _MOST_BODIES)
    held = f"every labelled structure (to {held_mm / 2 - MARGIN_MM:.0f} mm from the centre, {MARGIN_MM:g} mm to spare)"
    whole = f"{body:.0f} mm" if body <= view else f"which fills the view of {view:.0f} mm"
    return max(held_mm, min(body, view)), f"{held} and the target's body ({whole})"


def _across(facts: DataFacts, heights_mm: Sequence[float], detail: Detail) -> tuple[float, str]:
    """Spacing across the slices, mm, and why."""
    native = quantile([scan.spacing_mm[0] for scan in facts.target], 0.5)
    tall = quantile([scan.extent_mm(0) for scan in facts.seen], _MOST_BODIES)
    coarsest, asked = quantile(heights_mm, _THIN) / detail.across, tall / detail.most_slices
    across = _rounded(max(native, min(coarsest, asked)))
    if across <= native * 1.05:
        return across, f"across them the target's median, {native:.3g} mm"
    if coarsest < asked:
        return across, f"across them {detail.across:g} slices through the lowest structure"
    return across, f"across them {detail.most_slices} slices for {tall:.0f} mm (the target's own: {native:.3g} mm)"


def _rounded(spacing: float) -> float:
    """To two significant digits: nobody's voxels are 2.6341 mm."""
    digits = 1 - math.floor(math.log10(spacing))
    return round(spacing, digits)
