"""Is an image file whole and an image? Every flaw of it, for reports that go on to the next file."""

from __future__ import annotations

from pathlib import Path

from gbaseg.volume import BadImage, Flaw, Grid, Volume, read, read_label, same_voxels

__all__ = ["UNPLACED", "Flaw", "off_grid", "read_checked"]

UNPLACED = "its header has no form with a code, so does not say where its voxels lie"


def read_checked(path: str | Path, label: bool = False) -> tuple[Volume | None, list[Flaw]]:
    """The volume, `None` if the file gives none, and what is wrong with the file as such.

    Args:
        path: the file.
        label: it is to hold whole numbers.
    """
    try:
        return (read_label if label else read)(path), []
    except BadImage as error:
        return None, error.flaws


def off_grid(mask: Volume, grid: Grid) -> str:
    """How a mask is off the grid where it belongs, for a message; empty where it is on it."""
    if same_voxels(mask.grid, grid):
        return ""
    return mask.grid.difference_from(grid) + ("" if mask.placed else f" ({UNPLACED})")
