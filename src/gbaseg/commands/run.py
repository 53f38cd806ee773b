"""run: `dvc repro`, with what comes before it and what came of it after it, and without DVC's own chatter.

DVC says five lines and more a stage, of lock files and of what to give to git; what a stage says is lost among them.
Its warnings and errors stay.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gbaseg.commands import outlook
from gbaseg.commands.kept_params import put_back
from gbaseg.commands.torn import mend
from gbaseg.errors import UserError
from gbaseg.runtime.durations import took
from gbaseg.runtime.progress import log

# Exit codes of a stage that has said why it ends: a mistake or a fault, SIGHUP, SIGINT, SIGTERM.
_SAID_WHY = (1, 129, 130, 143)
# How DVC tells of an exit code; minus the signal's number where the stage was killed.
_EXIT = re.compile(r"exited with (-?\d+)$")
# As DVC words what happens to a stage that it need not run; the stage is the argument.
_UNCHANGED, _CACHED = "didn't change", "is cached"
# A warning of every run: stages that are not asked for (phantom, oracle) leave empty folders.
_EMPTY = "' is empty."


def run() -> None:
    """Make everything that is due.

    Raises:
        UserError: params.yaml has faults, or DVC has something against it.
        SystemExit: a stage failed and has said why: with its exit code.
    """
    put_back()
    outlook.run()
    sys.stdout.flush()
    started = time.monotonic()
    count = _reproduce()
    if count:
        log(f"{count} stage(s) made in {took(time.monotonic() - started)}")
    else:
        log("nothing to do: everything is made of these parameters and data")
    # Takes seconds to import, and is not wanted where a stage fails.
    from gbaseg.commands.show import run as show

    show()


def _reproduce() -> int:
    """How many stages were run, or taken from DVC's cache.

    Raises:
        UserError: DVC's error, in its own words.
        SystemExit: as `run`.
    """
    # DVC sends usage statistics to its makers otherwise; the stages' environment has it, too.
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage.exceptions import StageCmdFailedError

    try:
        with _without_chatter(), Repo() as repo:
            mend(repo)
            return len(repo.reproduce())
    except DvcException as error:
        causes = list(_causes(error))
        found = _EXIT.search(str(causes[-1])) if isinstance(causes[-1], StageCmdFailedError) else None
        if found and int(found[1]) in _SAID_WHY:
            # The stage's words are to be the last.
            raise SystemExit(int(found[1])) from error
        raise UserError(": ".join(dict.fromkeys(map(str, causes)))) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Inside, DVC's log is its warnings and errors, and a line for stages that it need not run."""
    logger, chatter = logging.getLogger("dvc"), _Chatter()
    handlers, level = logger.handlers, logger.level
    # What is not run is said at this level; whoever used DVC in this process before may have left another.
    logger.setLevel(logging.INFO)
    for handler in handlers:
        handler.addFilter(chatter)
    try:
        yield
    finally:
        chatter.say_unchanged()
        logger.setLevel(level)
        for handler in handlers:
            handler.removeFilter(chatter)


class _Chatter(logging.Filter):
    """Lets warnings and errors pass, but for one that means nothing here; what DVC passes over is one line."""

    def __init__(self) -> None:
        super().__init__()
        self._unchanged: dict[str, None] = {}
        self._cached: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            return not str(record.msg).endswith(_EMPTY)
        if _UNCHANGED in record.msg:
            self._unchanged[str(record.args and record.args[0])] = None  # type: ignore[index]
        elif _CACHED in record.msg:
            self.say_unchanged()
            stage = str(record.args and record.args[0])  # type: ignore[index]
            # A record passes more than one handler.
            if stage not in self._cached:
                self._cached.add(stage)
                log(f"{stage}: made before of the same; from DVC's cache")
        elif record.msg.startswith("Running stage"):
            self.say_unchanged()
        return False

    def say_unchanged(self) -> None:
        """Those since the last line."""
        if self._unchanged:
            log(f"unchanged: {', '.join(self._unchanged)}")
        self._unchanged.clear()
