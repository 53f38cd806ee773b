"""Where the tasks of the stage that is under way go, if not to this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gbaseg.errors import UserError

if TYPE_CHECKING:
    from gbaseg.runtime.engine.settings import Engine, Request

# `local`, or the path of another file than this one.
ENGINE = "GBASEG_ENGINE"
FILE = Path("engine.yaml")
LOCAL = "local"


@dataclass(frozen=True)
class Needs:
    """What a stage's tasks need by the cost model; None where it says nothing of them.

    Args:
        minutes: of all of them, one after the other.
        memory_gib: of one.
        trains: those minutes are a training's, and say nothing of cases that are prepared for it.
    """

    minutes: float | None = None
    memory_gib: float | None = None
    trains: bool = False

    def minutes_of(self, networks: bool) -> float | None:
        """Minutes of one call's tasks together, which train or use a GPU (`networks`) or not; None: not known."""
        return None if self.trains and not networks else self.minutes


@dataclass(frozen=True)
class Place:
    """SLURM, for one stage.

    Args:
        stage: as in the ledger, "train_segmentation/round_1".
        folder: for what the jobs are handed and hand back; on a file system that all nodes have.
        engine: of `engine.yaml`.
        needs: of the stage.
    """

    stage: str
    folder: Path
    engine: Engine
    needs: Needs = Needs()

    @property
    def at_once(self) -> int:
        """The most jobs that run at a time."""
        return self.engine.at_once

    def request(self, networks: bool) -> Request:
        """What to ask SLURM for, for a job of this stage; see `Engine.request`."""
        return self.engine.request(self.stage, networks, self.needs.minutes_of(networks), self.needs.memory_gib)


_place: ContextVar[Place | None] = ContextVar("place", default=None)


def elsewhere() -> Place | None:
    """Where this stage's tasks go; None: they run here."""
    return _place.get()


@contextmanager
def placed(place: Place | None) -> Iterator[None]:
    """Inside, tasks go to `place`."""
    before = _place.set(place)
    try:
        yield
    finally:
        _place.reset(before)


def engine_asked_for() -> Engine | None:
    """The engine of `GBASEG_ENGINE` or `engine.yaml`; None: this machine.

    Raises:
        UserError: the file that is named is not there, or something is wrong in it.
    """
    asked = os.environ.get(ENGINE, "")
    if asked == LOCAL or not (asked or FILE.exists()):
        return None
    path = Path(asked or FILE)
    if not path.is_file():
        raise UserError(f"{path}: no such file; allowed ({ENGINE}): {LOCAL}, or the path of a file as {FILE}")
    from gbaseg.runtime.engine.settings import read_engine

    return read_engine(path)
