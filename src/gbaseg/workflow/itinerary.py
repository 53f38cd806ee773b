"""The way of a run through its stages, by dvc.yaml: which there are, in the order in which DVC goes through them.

Without DVC itself, which takes a second to import, so that every stage can say at its end which one of how many it was.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from gbaseg.errors import UserError
from gbaseg.params import PATH
from gbaseg.text_file import read_yaml

PIPELINE = Path("dvc.yaml")
_TEMPLATE = re.compile(r"\$\{([^}]+)\}")


def itinerary(values: Mapping[str, Any] | None = None) -> list[str]:
    """Every stage that `dvc repro` goes through, by its name in the ledger: `train_segmentation/round_0`.

    Args:
        values: content of a params.yaml; default: that of this folder.

    Raises:
        UserError: dvc.yaml or params.yaml is missing or no YAML, or dvc.yaml is no pipeline as it is shipped.
    """
    try:
        unrolled = list(_unrolled(read_yaml(PIPELINE)["stages"], read_yaml(PATH) if values is None else values))
        return [_name(unrolled[place]["cmd"]) for place in _order(unrolled)]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{PIPELINE}: not the stages of gbaseg ({type(error).__name__}: {error})") from error


def place_of(name: str, stages: Sequence[str]) -> str:
    """`[ 7 of 21] train_singan` of a stage; its name alone where it is not among them."""
    if name not in stages:
        return name
    most = str(len(stages))
    return f"[{stages.index(name) + 1:>{len(most)}} of {most}] {name}"


def _unrolled(stages: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Stages with their templates filled in, one for each item of a matrix (of one variable)."""
    for stage in stages.values():
        items: list[dict[str, Any]] = [{}]
        if "matrix" in stage:
            [(variable, listed)] = stage["matrix"].items()
            listed = listed if isinstance(listed, list) else _value(_TEMPLATE.fullmatch(listed)[1], values)  # type: ignore[index]
            items = [{"item": {variable: item}} for item in listed]
        for item in items:
            yield _filled({key: stage.get(key, []) for key in ("cmd", "deps", "outs", "metrics")}, {**values, **item})


def _filled(content: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(content, dict):
        return {_filled(key, values): _filled(one, values) for key, one in content.items()}
    if isinstance(content, list):
        return [_filled(one, values) for one in content]
    if isinstance(content, str):
        return _TEMPLATE.sub(lambda found: str(_value(found[1], values)), content)
    return content


def _value(key: str, values: Mapping[str, Any]) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found[part]
    return found


def _order(stages: list[dict[str, Any]]) -> list[int]:
    """As DVC has it: those of dvc.yaml from top to bottom, each after all that it depends on."""
    # Stages by what they write, and by every folder that it lies in.
    writing: dict[PurePath, set[int]] = defaultdict(set)
    writing_in: dict[PurePath, set[int]] = defaultdict(set)
    for place, stage in enumerate(stages):
        for path in map(PurePath, _paths(stage["outs"] + stage["metrics"])):
            writing[path].add(place)
            for folder in (path, *path.parents):
                writing_in[folder].add(place)
    order: dict[int, None] = {}
    entered: set[int] = set()

    def visit(place: int) -> None:
        if place in entered:
            return
        entered.add(place)
        for dependency in map(PurePath, _paths(stages[place]["deps"])):
            for other in sorted(writing_in[dependency].union(*(writing[folder] for folder in dependency.parents))):
                visit(other)
        order[place] = None

    for place in range(len(stages)):
        visit(place)
    return list(order)


def _paths(listed: list[Any]) -> list[str]:
    """Paths of a list in which one with options is a mapping."""
    return [next(iter(one)) if isinstance(one, dict) else one for one in listed]


def _name(command: str) -> str:
    """`gbaseg pseudo-label survey` as `pseudo_label/survey`; a command of somebody's own as it stands."""
    program, *arguments = command.split()
    if program != "gbaseg":
        return command
    name, *arguments = arguments
    rounds = [argument for argument in arguments[:1] if not argument.startswith("-")]
    return "/".join([name.replace("-", "_"), *rounds])
