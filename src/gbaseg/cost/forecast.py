"""What every stage of a run will take: its counted work at a measured speed, and what a stage takes besides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from gbaseg.cost.counted import DataSize, kind_of
from gbaseg.cost.speeds import FAR, Speed, speeds_here, stage_in_ledger
from gbaseg.cost.work import Work, count_work
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.ledger import read_ledger

# Seconds of every stage for its process and DVC's hashing, and of those whose work is not counted. With them the
# demonstration's forecast on the first machine of machines.json is what it took there: 397 s, 300 of counted work.
_START, _UNCOUNTED, _PHANTOM = 3.0, 2.5, 17.0
# Sources of a smaller share of the time are not named.
_SHARE = 0.05


@dataclass(frozen=True)
class Forecast:
    """Of a run.

    Args:
        seconds: of each stage, by its name in the ledger.
        sources: where the speeds are from, that of the most time first; not those of little.
        times: how many times as much work as was measured there is, by the median kind; 1 where that is near.
    """

    seconds: Mapping[str, float]
    sources: Sequence[str]
    times: float

    def of(self, stages: Sequence[str]) -> float:
        """Seconds of some stages together."""
        return sum(self.seconds[name] for name in stages)


def forecast(
    settings: Params, size: DataSize, stages: Sequence[str], gpu: str | None = None, long: bool = False
) -> Forecast:
    """What stages will take on this machine, or where nothing was measured here, on one that was.

    Args:
        settings: all.
        size: of the data.
        stages: by their names in the ledger, see `itinerary`.
        gpu: a machine of `machines.json` in the place of this one.
        long: go by what is right of long runs, however short this one is: more work never takes less.

    Raises:
        UserError: nothing was measured of a kind of work.
    """
    work = {stage_in_ledger(one.stage): one for one in count_work(settings, size)}
    most = {one.kind: max(other.amount for other in work.values() if other.kind == one.kind) for one in work.values()}
    speeds, sources = speeds_here(gpu, dict.fromkeys(most, math.inf) if long else most)
    if unknown := sorted({one.kind for one in work.values()} - speeds.keys()):
        raise UserError(f"nothing was measured of {', '.join(unknown)} ({'; '.join(sources)})")
    ledger = read_ledger() if gpu is None else {}
    seconds = {name: _START + _seconds(name, work.get(name), speeds, ledger) for name in stages}
    by_kind = {one.kind: 0.0 for one in work.values()}
    for name, one in work.items():
        by_kind[one.kind] += seconds.get(name, 0.0)
    shares = {source: sum(by_kind.get(kind, 0.0) for kind in kinds) for source, kinds in sources.items()}
    times = median(amount / speeds[kind].measured_units for kind, amount in most.items())
    return Forecast(
        seconds,
        [
            source
            for source in sorted(shares, key=lambda source: -shares[source])
            if shares[source] >= _SHARE * sum(shares.values())
        ],
        times if max(times, 1 / times) > FAR else 1.0,
    )


def _seconds(
    name: str, work: Work | None, speeds: Mapping[str, Speed], ledger: Mapping[str, Mapping[str, Any]]
) -> float:
    if work is not None:
        return speeds[work.kind].seconds(work)
    if kind_of(name) is not None:
        return 0.0  # not asked for by these settings, whatever it took here for another arm or translation
    return float(ledger[name]["seconds"]) if name in ledger else _PHANTOM if name == "phantom" else _UNCOUNTED
