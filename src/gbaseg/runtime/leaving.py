"""The end of a program whose work is done, without Python taking apart all that it has imported.

That takes a stage a second: torch and nnU-Net are large, and a fork (`stage_server`) copies, to throw it away, what it
has shared until then.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


def run_to_its_end(program: Callable[[], object]) -> None:
    """Call a program that ends by SystemExit, and end the process with its status.

    Threads are waited for, whatever asked to be told of the end is told, and standard output and error are written out,
    as ever. Where that fails, and where the status is no number, the process ends in Python's own way.
    """
    try:
        program()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            with suppress(OSError, ValueError):  # said by Python itself, which tries once more
                _leave(ended.code or 0)
        raise


def _leave(status: int) -> NoReturn:
    # As multiprocessing ends what it has forked.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)
