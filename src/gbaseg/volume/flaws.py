"""What is wrong with an image file, said so that its owner can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gbaseg.errors import UserError


class Flaw(NamedTuple):
    """One thing that is wrong with a file, and what would be right."""

    found: str
    allowed: str


class BadImage(UserError):
    """An image file that is not read, or an image that is not written: the file and every flaw of it."""

    def __init__(self, path: str | Path, flaws: Sequence[Flaw]) -> None:
        self.path, self.flaws = Path(path), list(flaws)
        super().__init__("\n".join(f"{path}: {flaw.found}; allowed: {flaw.allowed}" for flaw in flaws))

    def __reduce__(self) -> tuple[type[BadImage], tuple[Path, list[Flaw]]]:
        return BadImage, (self.path, self.flaws)  # from a worker to its parent


WHOLE = "a whole, readable 3D image with one channel"


class Flawed(Exception):
    """Raised by the readers of single formats, which do not know the file's name."""

    def __init__(self, found: str, allowed: str) -> None:
        # Bytes of a header that are no text: as `\\xe9`, so that every log and table can hold them.
        found = found.encode(errors="surrogateescape").decode(errors="backslashreplace")
        super().__init__(found)
        self.flaw = Flaw(found, allowed)


def unreadable(reason: str) -> Flawed:
    """A file that is damaged, cut off or none of its format."""
    return Flawed(f"cannot be read ({reason})", WHOLE)
