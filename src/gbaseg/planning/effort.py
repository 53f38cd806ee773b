"""The place on the ladder that the hours hold, by the cost model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gbaseg.errors import UserError
from gbaseg.planning.decide import Place
from gbaseg.planning.rungs import Rung

# Places of a rung that are looked at, and the share of the hours that may be planned: a forecast is not the clock.
_STEPS = 20
_PLANNED = 0.9


@dataclass(frozen=True)
class Fit:
    """The place that was found.

    Args:
        place: on the ladder.
        hours: what its run will take by the cost model.
        learns_from: hours from which a network learns here; None where these suffice.
    """

    place: Place
    hours: float
    learns_from: float | None


def fit(rungs: Sequence[Rung], hours: float, cost: Callable[[Place], float]) -> Fit:
    """The most that the hours hold: on the highest rung whose least work fits, as far up as it goes.

    Both only rise with the hours, as each rung begins where the one below it ends.

    Args:
        rungs: the cheapest first.
        hours: that may be spent.
        cost: hours of a run; rises along a rung.

    Raises:
        UserError: not even the least work fits.
    """
    budget = _PLANNED * hours
    for rung in reversed(rungs):
        if cost(Place(rung, 0.0)) <= budget:
            break
    else:
        least = hours_for(cost(Place(rungs[0], 0.0)))
        raise UserError(
            f"--hours {hours:g}: the least that goes through all stages takes {in_hours(least)}, and "
            f"{in_hours(_learns_from(rungs, cost))} are needed for a network to learn; allowed: at least the first"
        )
    low, high = 0, _STEPS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(Place(rung, middle / _STEPS)) <= budget else (low, middle - 1)
    place = Place(rung, low / _STEPS)
    return Fit(place, cost(place), None if rung.learns else _learns_from(rungs, cost))


def _learns_from(rungs: Sequence[Rung], cost: Callable[[Place], float]) -> float:
    return hours_for(cost(Place(next(rung for rung in rungs if rung.learns), 0.0)))


def hours_for(cost: float) -> float:
    """The hours to ask for, so that a run of so many is planned."""
    return cost / _PLANNED


def in_hours(hours: float) -> str:
    """`0.42 h`, rounded up, so that what is said is enough."""
    decimals = 0 if hours >= 20 else 1 if hours >= 2 else 2
    scale = 10**decimals
    return f"{-(-hours * scale // 1) / scale:.{decimals}f} h"
