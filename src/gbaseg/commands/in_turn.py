"""What several experiments share, and in what order they are begun."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from gbaseg import params
from gbaseg.commands.planned import Experiment
from gbaseg.cost.forecast import forecast
from gbaseg.errors import UserError
from gbaseg.workflow.itinerary import itinerary, made_of, targets
from gbaseg.workflow.outlook import phantom_size, with_copies

# Stages that the same experiments share, and these experiments.
Group = tuple[frozenset[str], tuple[str, ...]]


def shared_stages(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Group]]:
    """Of each experiment the stages that others make, too, by their names in DVC: groups in their order.

    Args:
        settings: name -> its params.yaml.
    """
    digests = {name: made_of(values) for name, values in settings.items()}
    makers: dict[str, set[str]] = defaultdict(set)
    for name, made in digests.items():
        for digest in made.values():
            makers[digest].add(name)
    found: dict[str, list[Group]] = {}
    for name, made in digests.items():
        called, groups = targets(settings[name]), dict[frozenset[str], list[str]]()
        for stage, digest in made.items():
            if len(makers[digest]) > 1:
                groups.setdefault(frozenset(makers[digest]), []).append(called[stage])
        # What more of them share comes first: no stage is made before those that it follows from.
        found[name] = sorted(
            ((sharing, tuple(stages)) for sharing, stages in groups.items()), key=lambda group: -len(group[0])
        )
    return found


def in_turn(
    todo: Sequence[Experiment], settings: Mapping[str, Mapping[str, Any]], shares: Mapping[str, Sequence[Group]]
) -> list[Experiment]:
    """The order in which experiments are begun: those that share stages one after the other, of these the longest
    first. Begun last, it would have nothing beside it at the end.

    Args:
        todo: in the order in which whoever asks wants them, which is kept for all else.
        settings: name -> its params.yaml.
        shares: as `shared_stages` has it.
    """
    places = {one.name: place for place, one in enumerate(todo)}
    first = {
        name: min([places[name], *(places[other] for sharing, _ in groups for other in sharing)])
        for name, groups in shares.items()
    }
    return sorted(todo, key=lambda one: (first[one.name], -_seconds(settings[one.name])))


def _seconds(values: Mapping[str, Any]) -> float:
    """What an experiment takes here by the cost model; 0 where that does not say."""
    from gbaseg.commands.cost import known_size

    try:
        settings = params.check(values)
        size = phantom_size(settings) or known_size(settings)[0]
        if size is None:
            return 0.0
        stages = itinerary(values)
        return forecast(settings, with_copies(settings, size), stages).of(stages)
    except UserError:
        return 0.0
