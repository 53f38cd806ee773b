"""One line about a failure, for a table of scans."""

from __future__ import annotations

from gbaseg.errors import UserError


def words_of(error: Exception) -> str:
    """One line about any exception; a name of its kind before it where it is not ours."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}" if text else type(error).__name__
