"""Is an image file whole and an image? Every flaw of it, for reports that go on to the next file."""

from __future__ import annotations

from pathlib import Path

from gbaseg.volume import BadImage, Flaw, Volume, read, read_label

__all__ = ["Flaw", "read_checked"]


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
