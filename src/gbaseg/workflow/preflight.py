"""Before a stage works for hours: the room that it takes, on disk and in memory, against what is there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gbaseg.cases import Case, select
from gbaseg.cost.counted import DataSize
from gbaseg.cost.room import Machine, Room, count_room, whole_run
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import WORKERS, workers_for
from gbaseg.runtime.leftovers import tidy
from gbaseg.runtime.place import elsewhere
from gbaseg.runtime.progress import log
from gbaseg.runtime.room import SHARED, device_of, free_bytes, free_memory, in_bytes
from gbaseg.runtime.scratch import ROOT
from gbaseg.runtime.turns import cases_at_once
from gbaseg.segmentation.workspace import AUGMENTERS, MOST_AUGMENTERS
from gbaseg.volume import read_grid, turn_to_slices
from gbaseg.workflow.saved import cache_folder, done_in, is_copied

# What is counted is right within a factor of two: less than half of it is surely too little.
_SURELY, _NEAR = 0.5, 1.25
# Headers of so many scans say how large a scan is.
_LOOKED_AT = 12

_MEMORY = "memory"
# What fewer processes take less of.
_OF_PROCESSES = (_MEMORY, str(SHARED))


@dataclass(frozen=True)
class Demand:
    """Bytes wanted and free at one place; `surely`: whatever the store has already, and however few work at once."""

    place: str
    wanted: float
    surely: float
    free: int

    def __str__(self) -> str:
        return f"{in_bytes(self.wanted)} of {in_bytes(self.free)} free ({self.place})"


def check_room(name: str, settings: Params, size: DataSize, folder: str, raw_voxels: float = 0.0) -> float:
    """Say what a stage takes, and of the first one what the whole run does.

    Args:
        name: of the stage, as in the ledger.
        settings: all.
        size: of the data.
        folder: name of its scratch folder; what an earlier try has left there needs no room any more. What killed runs
            have left elsewhere is cleared first.
        raw_voxels: of the largest scan; 0: not known.

    Returns:
        Bytes of disk that it takes, without DVC's cache; 0 where that is not counted.

    Raises:
        UserError: there is surely too little; all that is short is named.
    """
    machine = this_machine(settings, size)
    rooms = count_room(settings, size, machine, raw_voxels)
    found = next((room for room in rooms if room.stage == name), None)
    if found is None:
        return 0.0
    tidy(ROOT, folder)
    fewest = count_room(
        settings, size, replace(machine, processes=1, networks_at_once=1, cases_a_process=1), raw_voxels
    )
    demands = demands_of(found, done_in(folder), fewest[rooms.index(found)])
    log(f"{name}: takes about {'; '.join(map(str, demands))}")
    short = [demand for demand in demands if demand.free < _SURELY * demand.surely]
    if short:
        raise UserError(
            "\n".join(
                [
                    f"{name}: too little room:",
                    *(
                        f"  - {one.place}: about {in_bytes(one.wanted)} wanted, {in_bytes(one.free)} free"
                        for one in short
                    ),
                    *([f"even with {WORKERS}=1"] if any(one.place in _OF_PROCESSES for one in short) else []),
                    "docs/running.md, Disk and memory, says what may lie elsewhere; nothing was begun",
                ]
            )
        )
    _warn(name, demands)
    if found is rooms[0]:
        whole = demands_of(whole_run(rooms), least=whole_run(fewest))
        log(f"all stages take about {'; '.join(map(str, whole))}")
        _warn("all stages", whole)
    return found.outputs + found.scratch + found.store


def _warn(name: str, demands: Sequence[Demand]) -> None:
    near = [demand for demand in demands if demand.free < _NEAR * demand.wanted]
    if near:
        helps = any(one.place in _OF_PROCESSES and one.surely < one.wanted for one in near)
        fewer = f"; fewer at once take less: {WORKERS}=1" if helps else ""
        log(f"WARNING: {name}: may run out of room: {'; '.join(map(str, near))}{fewer}")


def demands_of(room: Room, done: float = 0.0, least: Room | None = None) -> list[Demand]:
    """Wanted and free, one entry a file system, then memory.

    Args:
        room: what is taken.
        done: bytes of it that are in .scratch already.
        least: what is taken where one process works at a time.
    """
    cache = cache_folder()
    scratch = max(0.0, room.outputs + room.scratch - done)
    places = [(".scratch", ROOT, scratch + room.store, scratch)]
    if device_of("data") != device_of(ROOT):
        places.append(("data/ and models/", Path("data"), room.outputs, room.outputs))
    least = least or room
    if cache is not None and is_copied(Path("data"), cache):
        places.append(("DVC's cache", cache, room.outputs, room.outputs))
    found: dict[int, Demand] = {}
    for label, path, wanted, surely in places:
        before = found.get(device_of(path))
        if before is None:
            found[device_of(path)] = Demand(label, wanted, surely, free_bytes(path))
        else:
            found[device_of(path)] = Demand(
                f"{before.place}, {label}", before.wanted + wanted, before.surely + surely, before.free
            )
    demands = list(found.values())
    if elsewhere() is not None:
        return demands  # what tasks take of memory is asked for where they go
    demands.append(Demand(_MEMORY, room.memory, least.memory, free_memory()))
    if room.shared:
        demands.append(Demand(str(SHARED), room.shared, least.shared, free_bytes(SHARED)))
    return demands


def this_machine(settings: Params, size: DataSize) -> Machine:
    """How work is dealt out here."""
    cases = size.source + size.target + size.held_out
    networks = settings.segmentation.networks
    if not is_gpu():
        return Machine(workers_for(cases), workers_for(networks))
    at_once = workers_for(networks, exclusive=True)
    asked = os.environ.get(AUGMENTERS, "")
    dealt = min(max(1, len(os.sched_getaffinity(0)) // at_once), MOST_AUGMENTERS)
    return Machine(
        workers_for(cases, exclusive=True), at_once, int(asked) if asked.isdigit() else dealt, cases_at_once(cases)
    )


def size_of_scans(settings: Params, cases: Sequence[Case], root: Path) -> tuple[DataSize, float]:
    """Size of the data before they are standardised, and the voxels of the largest scan, from some of the headers."""
    looked_at = cases[:: max(1, len(cases) // _LOOKED_AT)]
    own = [read_grid(root / case.image) for case in looked_at]
    grids = [turn_to_slices(grid, settings.standardise.slices).grid(grid) for grid in own]
    spacing_z = settings.standardise.spacing_xyz_mm[2]
    heights = [grid.shape[0] * grid.spacing_zyx_mm[0] / spacing_z for grid in grids]
    slices = settings.standardise.crop_z_px or round(sum(heights) / len(heights))
    size = DataSize(
        source=len(select(cases, domain="source", splits=["train"])),
        target=len(select(cases, domain="target", splits=["train"])),
        held_out=len(select(cases, domain="target", splits=settings.evaluation.splits)),
        slices=slices,
        copies=0.0,
    )
    return size, float(max(grid.shape[0] * grid.shape[1] * grid.shape[2] for grid in grids))
