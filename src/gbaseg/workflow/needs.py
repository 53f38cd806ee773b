"""Where a stage's tasks go, and what they need there by the cost model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gbaseg.cost.counted import DataSize
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.place import Needs, Place, engine_asked_for
from gbaseg.runtime.scratch import jobs_of

_GIB = 2.0**30
# Kinds of work of the cost model.
_TRAININGS = {"cyclegan", "singan", "nnunet"}
# By their files: none of them is imported here.
_STAGES = {path.stem for path in (Path(__file__).parents[1] / "stages").glob("*.py")} - {"__init__"}


def place_of(stage: str, folder: Path, settings: Params | None, size: DataSize | None) -> Place | None:
    """Where the tasks of a stage go; None: they run on this machine.

    Args:
        stage: its name in the ledger.
        folder: its scratch folder.
        settings: that it runs with; None where nothing is counted of it.
        size: of the data; None where that is not known.

    Raises:
        UserError: faults of `engine.yaml`.
    """
    engine = engine_asked_for()
    if engine is None:
        return None
    if unknown := sorted(name for name in engine.stages if name.split("/", maxsplit=1)[0] not in _STAGES):
        raise UserError(
            f"engine.yaml: stages: no stage {', '.join(unknown)}; allowed: {', '.join(sorted(_STAGES))}, alone or with "
            "a round, such as train_segmentation/round_1"
        )
    place = Place(stage, jobs_of(folder), engine)
    if settings is None or size is None:
        return place
    request = place.request(networks=True)
    return replace(place, needs=needs_of(stage, settings, size, request.has_gpu, request.cpus))


def needs_of(stage: str, settings: Params, size: DataSize, gpu: bool, cpus: int) -> Needs:
    """What the cost model knows of a stage: minutes of its tasks one after the other, memory of one of them.

    Args:
        gpu: networks are computed on one: the first in `machines.json` stands for it, where nothing else is known.
        cpus: of a task.
    """
    from gbaseg.cost.counted import kind_of
    from gbaseg.cost.forecast import forecast
    from gbaseg.cost.room import Machine, count_room
    from gbaseg.cost.speeds import known_machines

    if kind_of(stage) is None:
        return Needs()  # the oracle among them, whose folds are long
    machine = Machine(1, 1, cpus if gpu else 0, cpus if gpu else 1)
    memory = next((room.memory for room in count_room(settings, size, machine) if room.stage == stage), 0.0)
    like = next(name for name, one in known_machines().items() if one["gpu"] == gpu)
    try:
        minutes: float | None = forecast(settings, size, [stage], gpu=like).seconds[stage] / 60
    except UserError:
        minutes = None  # nobody has measured such work
    return Needs(minutes, memory / _GIB or None, kind_of(stage) in _TRAININGS)
