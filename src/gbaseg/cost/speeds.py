"""The speed at which a machine has done each kind of work: from its own ledger, or from `machines.json`.

`machines.json` holds measured runs alone; no speed in it is guessed from a data sheet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from gbaseg.cost.work import Work
from gbaseg.errors import UserError

_MACHINES = "machines.json"


@dataclass(frozen=True)
class Speed:
    """Seconds a unit of one kind of work, and the run that they are from."""

    seconds_per_unit: float
    measured_units: float


def known_machines() -> dict[str, dict[str, Any]]:
    """Name -> `about`, and `speeds`: kind -> [units, seconds]."""
    found: dict[str, dict[str, Any]] = json.loads(files("gbaseg.cost").joinpath(_MACHINES).read_text("utf-8"))
    return found


def speeds_of(name: str) -> dict[str, Speed]:
    """Of a machine in `machines.json`.

    Raises:
        UserError: it is not there.
    """
    machines = known_machines()
    if name not in machines:
        raise UserError(
            f"--gpu {name}: not measured yet; measured are: {', '.join(machines)}. After `make run` on such a machine "
            "`gbaseg cost` there goes by its logs/stages.jsonl"
        )
    return {kind: Speed(seconds / units, units) for kind, (units, seconds) in machines[name]["speeds"].items()}


def speeds_of_ledger(work: Sequence[Work], ledger: Mapping[str, Mapping[str, Any]]) -> dict[str, Speed]:
    """From what this folder's stages took; `work`: of the run that the ledger is of."""
    units: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for one in work:
        line = ledger.get(stage_in_ledger(one.stage))
        if line is not None and one.amount > 0:
            units[one.kind] = units.get(one.kind, 0.0) + one.amount
            seconds[one.kind] = seconds.get(one.kind, 0.0) + line["seconds"]
    return {kind: Speed(seconds[kind] / amount, amount) for kind, amount in units.items()}


def stage_in_ledger(stage: str) -> str:
    """The ledger's name of a stage of `count_work`."""
    first, _, item = stage.partition(" ")
    return f"{'train_segmentation' if first == 'train' else first}/{item}" if item else first
