"""The speed at which a machine has done each kind of work: from its own ledger, or from `machines.json`.

`machines.json` holds measured runs alone; no speed in it is guessed from a data sheet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gbaseg.cost.counted import DataSize, kind_of
from gbaseg.cost.work import count_work
from gbaseg.errors import UserError
from gbaseg.params import check
from gbaseg.runtime.device import PROCESSOR, would_compute_on
from gbaseg.runtime.ledger import LEDGER, read_lines

_MACHINES = "machines.json"
# Work that is so many times as much, or as little, as what its speed was measured on, takes another time than counted.
FAR = 8.0
# From so many times the work on, another machine's measure is nearer to a long run than a short one here.
_NEARER = 4.0
# Kinds of work that no GPU does.
_PROCESSORS_OWN = {"standardise"}


@dataclass(frozen=True)
class Speed:
    """Seconds a unit of one kind of work, and the run that they are from."""

    seconds_per_unit: float
    measured_units: float


def known_machines() -> dict[str, dict[str, Any]]:
    """Name -> `about`, `gpu` (whether it has one), and `speeds`: kind -> [units, seconds]."""
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


def speeds_here(
    gpu: str | None = None, work: Mapping[str, float] | None = None
) -> tuple[dict[str, Speed], dict[str, list[str]]]:
    """Speeds, and where they are from: source -> kinds of work.

    Args:
        gpu: a machine of `machines.json`; None: this folder's ledger for each kind of work that it has measured on the
            device that would be used now, for the others the first machine there that has a GPU, or none, as this one.
        work: the most of each kind that is to be foretold, where a stage here that was mostly start-up says nothing
            of work that is far more, and the other machine's measure is nearer to it. None: every measure counts.

    Raises:
        UserError: that machine is not there.
    """
    device = would_compute_on() if gpu is None else ""
    measured = speeds_of_ledger(read_lines(), device) if gpu is None else {}
    name = gpu or next(name for name, one in known_machines().items() if one["gpu"] == (device != PROCESSOR))
    known = speeds_of(name)
    if work is not None:
        measured = {
            kind: own for kind, own in measured.items() if not _says_little(own, known[kind], work.get(kind, 0.0))
        }
    sources = {
        f"{LEDGER}, what the stages here took on {device} that did most of each kind of work": sorted(measured),
        f"{name}, {known_machines()[name]['about']}": sorted(known.keys() - measured.keys()),
    }
    return known | measured, {source: kinds for source, kinds in sources.items() if kinds}


def _says_little(own: Speed, known: Speed, work: float) -> bool:
    """Of a short run seconds are start-up, mostly: of work that is far more they say ten times too much."""
    return own.measured_units * FAR < work and own.measured_units * _NEARER < known.measured_units


def speeds_of_ledger(lines: Sequence[Mapping[str, Any]], device: str | None = None) -> dict[str, Speed]:
    """Of each kind of work, from the stage here that did the most of it, the last of several.

    The most: of a tiny run's seconds most are start-up. Lines that note no work count for nothing: of models passed on,
    found or resumed, and of versions before this.

    Args:
        device: what it would be done on, see `runtime.device.computed_on`: of other devices no line counts, of versions
            that noted what was asked for (`auto`) those that may be of this one, where no line is. None: all lines do.
    """
    if device is not None:
        sure = [line for line in lines if _is_of(line, device)]
        perhaps = [line for line in lines if _may_be_of(line, device)]
        return speeds_of_ledger(perhaps) | speeds_of_ledger(sure)
    speeds: dict[str, Speed] = {}
    for line in lines:
        kind = kind_of(line["stage"])
        if kind is None or "work" not in line:
            continue
        amount = _amounts(json.dumps(line["work"], sort_keys=True)).get(line["stage"], 0.0)
        # An arm, or a translation, that asks for no such work has a line too.
        if amount > 0 and line["seconds"] > 0 and (kind not in speeds or amount >= speeds[kind].measured_units):
            speeds[kind] = Speed(line["seconds"] / amount, amount)
    return speeds


def _is_of(line: Mapping[str, Any], device: str) -> bool:
    return kind_of(line["stage"]) in _PROCESSORS_OWN or line.get("device") == device


def _may_be_of(line: Mapping[str, Any], device: str) -> bool:
    noted = str(line.get("device", "auto"))
    return noted == "auto" or (noted.startswith("cuda") and device != PROCESSOR)


@cache
def _amounts(noted: str) -> dict[str, float]:
    """Work by the ledger's names of stages, from what a line notes; the lines of a run note the same.

    Counted anew, so that speed and forecast are of one way of counting.
    """
    content = json.loads(noted)
    try:
        settings = check(content["params"])
    except UserError:
        return {}  # of a version whose parameters are no longer these
    return {stage_in_ledger(one.stage): one.amount for one in count_work(settings, DataSize(**content["size"]))}


def stage_in_ledger(stage: str) -> str:
    """The ledger's name of a stage of `count_work`."""
    first, _, item = stage.partition(" ")
    return f"{'train_segmentation' if first == 'train' else first}/{item}" if item else first
