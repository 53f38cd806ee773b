"""The speed at which a machine has done each kind of work: from its own ledger, or from `machines.json`.

`machines.json` holds measured runs alone; no speed in it is guessed from a data sheet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from gbaseg.cost.counted import DataSize, kind_of
from gbaseg.cost.work import Work, count_work
from gbaseg.errors import UserError
from gbaseg.params import check
from gbaseg.runtime.device import PROCESSOR, would_compute_on
from gbaseg.runtime.ledger import LEDGER, read_lines

_MACHINES = "machines.json"
# Work that is so many times as much, or as little, as what its speed was measured on, takes another time than counted.
FAR = 8.0
# From so many times the work on, another machine's measure is nearer to a long run than a short one here.
_NEARER = 4.0
_MOST_OF_STEPS = 0.9
# Kinds of work that no GPU does.
_PROCESSORS_OWN = {"standardise"}


@dataclass(frozen=True)
class Speed:
    """What one kind of work takes, by a run that did some.

    Args:
        measured_units, measured_seconds, measured_steps: of that run.
        step: seconds of every step beside the computing, where they were measured: a GPU is told hundreds of times a
            step what to do next, and a small network is done before it is told.
    """

    measured_units: float
    measured_seconds: float
    measured_steps: float = 0.0
    step: float = 0.0

    @property
    def seconds_per_step(self) -> float:
        """Of that run's seconds nine tenths at most: a step here may be quicker than where it was measured."""
        most = _MOST_OF_STEPS * self.measured_seconds
        return min(self.step, most / self.measured_steps) if self.measured_steps else 0.0

    @property
    def seconds_per_unit(self) -> float:
        """Of computing: of the rest of them."""
        rest = self.measured_seconds - self.measured_steps * self.seconds_per_step
        return rest / self.measured_units

    def seconds(self, work: Work) -> float:
        """Of some work of this kind."""
        return work.amount * self.seconds_per_unit + work.steps * self.seconds_per_step


def known_machines() -> dict[str, dict[str, Any]]:
    """Name -> `about`, `gpu` (whether it has one), `speeds`: kind -> [units, seconds, steps] of a run, and of a GPU
    `steps`: kind -> seconds that a step takes besides."""
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
    a_step = machines[name].get("steps", {})
    return {
        kind: Speed(units, seconds, steps, a_step.get(kind, 0.0))
        for kind, (units, seconds, steps) in machines[name]["speeds"].items()
    }


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
    name = gpu or next(name for name, one in known_machines().items() if one["gpu"] == (device != PROCESSOR))
    known = speeds_of(name)
    steps = {kind: speed.step for kind, speed in known.items()}
    measured = speeds_of_ledger(read_lines(), device, steps) if gpu is None else {}
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


def speeds_of_ledger(
    lines: Sequence[Mapping[str, Any]], device: str | None = None, steps: Mapping[str, float] = MappingProxyType({})
) -> dict[str, Speed]:
    """Of each kind of work, from the stage here that did the most of it, the last of several.

    The most: of a tiny run's seconds most are start-up. Lines that note no work count for nothing: of models passed on,
    found or resumed, and of versions before this.

    Args:
        device: what it would be done on, see `runtime.device.computed_on`: of other devices no line counts, of versions
            that noted what was asked for (`auto`) those that may be of this one, where no line is. None: all lines do.
        steps: of a kind of work what `Speed.step` is.
    """
    if device is not None:
        sure = [line for line in lines if _is_of(line, device)]
        perhaps = [line for line in lines if _may_be_of(line, device)]
        return speeds_of_ledger(perhaps, None, steps) | speeds_of_ledger(sure, None, steps)
    speeds: dict[str, Speed] = {}
    for line in lines:
        kind = kind_of(line["stage"])
        if kind is None or "work" not in line:
            continue
        work = _counted(json.dumps(line["work"], sort_keys=True)).get(line["stage"])
        # An arm, or a translation, that asks for no such work has a line too.
        if work is None or work.amount <= 0 or line["seconds"] <= 0:
            continue
        if kind not in speeds or work.amount >= speeds[kind].measured_units:
            speeds[kind] = Speed(work.amount, line["seconds"], work.steps, steps.get(kind, 0.0))
    return speeds


def _is_of(line: Mapping[str, Any], device: str) -> bool:
    return kind_of(line["stage"]) in _PROCESSORS_OWN or line.get("device") == device


def _may_be_of(line: Mapping[str, Any], device: str) -> bool:
    noted = str(line.get("device", "auto"))
    return noted == "auto" or (noted.startswith("cuda") and device != PROCESSOR)


@cache
def _counted(noted: str) -> dict[str, Work]:
    """Work by the ledger's names of stages, from what a line notes; the lines of a run note the same.

    Counted anew, so that speed and forecast are of one way of counting.
    """
    content = json.loads(noted)
    try:
        settings = check(content["params"])
    except UserError:
        return {}  # of a version whose parameters are no longer these
    return {stage_in_ledger(one.stage): one for one in count_work(settings, DataSize(**content["size"]))}


def stage_in_ledger(stage: str) -> str:
    """The ledger's name of a stage of `count_work`."""
    first, _, item = stage.partition(" ")
    return f"{'train_segmentation' if first == 'train' else first}/{item}" if item else first
