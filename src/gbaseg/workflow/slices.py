"""Which slices the scans of a set give, and whether they lie alike in all: for the log, the report and doctor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gbaseg.errors import some_of
from gbaseg.planes import Slices
from gbaseg.volume import Grid, plane_of, thickest_axis, turn_to_slices, turned_otherwise

_NAMED = 20
# The axis of the standard grid that runs from left to right.
_LEFT_TO_RIGHT = {"axial": "x", "coronal": "x", "sagittal": "z"}


@dataclass(frozen=True)
class SlicesFound:
    """What `standardise.slices` makes of the scans of a set.

    Args:
        asked_for: `standardise.slices`.
        planes: scans by the plane of their slices, the most frequent first.
        otherwise: scans whose slices, or their rows and columns, lie otherwise than in most.
        thick_in_plane: scans whose clearly thickest voxel side lies in their slices.
        mirrored: `segmentation.network.mirrored`.
    """

    asked_for: Slices
    planes: dict[str, int]
    otherwise: tuple[str, ...]
    thick_in_plane: tuple[str, ...]
    mirrored: tuple[str, ...] | None = None

    @property
    def words(self) -> str:
        """One line."""
        planes = ", ".join(f"{count} {plane}" for plane, count in self.planes.items())
        return f"slices of {planes} (standardise.slices: {self.asked_for})"

    @property
    def warnings(self) -> list[str]:
        """One line a thing that CycleGAN, SinGAN and the crop would suffer from."""
        lines, total = [], sum(self.planes.values())
        if self.otherwise:
            lines.append(
                f"slices of {len(self.otherwise)} of {total} scan(s) lie otherwise in the patient than those of the "
                f"others: {_named(self.otherwise)}; look at them, set standardise.slices (axial, sagittal, coronal), "
                "or leave them out"
            )
        if self.thick_in_plane:
            lines.append(
                f"the thickest side of the voxels of {len(self.thick_in_plane)} of {total} scan(s) lies in their "
                f"{self.asked_for} slices: {_named(self.thick_in_plane)}; standardise.slices: acquired takes those "
                "across it"
            )
        plane = next(iter(self.planes), "")
        across = _LEFT_TO_RIGHT.get(plane)
        if across and self.mirrored and across not in self.mirrored:
            lines.append(
                f"segmentation.network.mirrored: [{', '.join(self.mirrored)}]: in {plane} slices left to right is "
                f"{across}; what is named here shows patients upside down or front to back: [{across}], or [] for none"
            )
        return lines

    def summary(self) -> dict[str, object]:
        """For metrics/data.json."""
        return {
            "slices": {"asked_for": self.asked_for, **self.planes},
            "slices_turned_otherwise": len(self.otherwise),
            "slices_turned_otherwise_in": ", ".join(self.otherwise),
            "thickest_side_in_slices": len(self.thick_in_plane),
            "thickest_side_in_slices_in": ", ".join(self.thick_in_plane),
        }


def slices_of(scans: Mapping[str, Grid], slices: Slices, mirrored: tuple[str, ...] | None = None) -> SlicesFound:
    """What is found of some scans, by their own grids.

    Args:
        scans: the scan's own grid by the case's name.
        slices: `standardise.slices`.
        mirrored: `segmentation.network.mirrored`.
    """
    names = list(scans)
    turns = [turn_to_slices(own, slices) for own in scans.values()]
    turned = [turn.grid(own) for turn, own in zip(turns, scans.values(), strict=True)]
    planes = Counter(plane_of(grid) for grid in turned)
    return SlicesFound(
        slices,
        {str(plane): count for plane, count in planes.most_common()},
        tuple(names[index] for index in turned_otherwise(turned)),
        tuple(name for name, grid in zip(names, turned, strict=True) if thickest_axis(grid) not in (None, 0)),
        mirrored,
    )


def _named(names: Sequence[str]) -> str:
    return some_of(names, _NAMED) + (" (metrics/data.json)" if len(names) > _NAMED else "")
