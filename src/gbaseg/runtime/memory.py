"""What becomes of memory that a process has freed."""

from __future__ import annotations

import ctypes
import sys

# Of `mallopt` in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30


def keep_freed() -> None:
    """Keep up to 1 GiB of it for what is asked for next; on glibc, elsewhere nothing is done.

    A step of a training, or the next case, asks for what the last one has freed. By default large pieces go back to
    the system each time, which has to fill them with zeros, page by page: on some virtual machines a third of the time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _KEPT)
