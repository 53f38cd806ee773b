"""The way of a run through its stages, by dvc.yaml: which there are, in the order in which DVC goes through them.

Without DVC itself, which takes a second to import, so that every stage can say at its end which one of how many it was.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from gbaseg.errors import UserError
from gbaseg.params import PATH
from gbaseg.text_file import read_yaml

PIPELINE = Path("dvc.yaml")
_READ = ("cmd", "deps", "params", "outs", "metrics")
_TEMPLATE = re.compile(r"\$\{([^}]+)\}")


def itinerary(values: Mapping[str, Any] | None = None) -> list[str]:
    """Every stage that `dvc repro` goes through, by its name in the ledger: `train_segmentation/round_0`.

    Args:
        values: content of a params.yaml; default: that of this folder.

    Raises:
        UserError: dvc.yaml or params.yaml is missing or no YAML, or dvc.yaml is no pipeline as it is shipped.
    """
    with _refused():
        unrolled, reads = _read(read_yaml(PATH) if values is None else values)
        return [_name(unrolled[place]["cmd"]) for place in _order(reads)]


def commands(values: Mapping[str, Any]) -> list[str]:
    """Every stage's command, in the order of `itinerary`.

    Args:
        values: content of a params.yaml.

    Raises:
        UserError: as `itinerary`.
    """
    with _refused():
        unrolled, reads = _read(values)
        return [unrolled[place]["cmd"] for place in _order(reads)]


def made_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Every stage -> a digest of all that its outputs follow from, by its parameters and those of the stages before it.

    Runs of one commit share the stages of which it is the same: DVC's run cache hands them on. (It hands on more:
    stages whose inputs turn out the same from other parameters.)

    Args:
        values: content of a params.yaml.

    Raises:
        UserError: as `itinerary`.
    """
    with _refused():
        unrolled, reads = _read(values)
        found: dict[int, str] = {}
        for place in _order(reads):
            stage = unrolled[place]
            # Parameters of other files (recipes.yaml) are the commit's.
            own = {key: _value_or_none(key, values) for key in stage["params"] if isinstance(key, str)}
            follows = [stage["cmd"], _paths(stage["deps"]), own, [found[other] for other in reads[place]]]
            text = json.dumps(follows, sort_keys=True, default=str)
            found[place] = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return {_name(unrolled[place]["cmd"]): digest for place, digest in found.items()}


def targets(values: Mapping[str, Any]) -> dict[str, str]:
    """Every stage, by its name in the ledger -> what DVC calls it: `train_segmentation@round1`.

    Args:
        values: content of a params.yaml.

    Raises:
        UserError: as `itinerary`.
    """
    with _refused():
        stages = read_yaml(PIPELINE)["stages"]
        found = {}
        for name, stage in stages.items():
            unrolled = list(_unrolled({name: stage}, values))
            variable = next(iter(stage.get("matrix", {"": None})))
            for number, one in enumerate(unrolled):
                found[_name(one["cmd"])] = f"{name}@{variable}{number}" if variable else name
        return found


@contextmanager
def _refused() -> Iterator[None]:
    """A dvc.yaml that is not read here is somebody's own."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{PIPELINE}: not the stages of gbaseg ({type(error).__name__}: {error})") from error


def place_of(name: str, stages: Sequence[str]) -> str:
    """`[ 9 of 22] train_singan` of a stage; its name alone where it is not among them."""
    if name not in stages:
        return name
    most = str(len(stages))
    return f"[{stages.index(name) + 1:>{len(most)}} of {most}] {name}"


def _read(values: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """The stages of dvc.yaml, and of each the places of those whose outputs it reads."""
    unrolled = list(_unrolled(read_yaml(PIPELINE)["stages"], values))
    return unrolled, _read_by(unrolled)


def _unrolled(stages: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Stages with their templates filled in, one for each item of a matrix (of one variable)."""
    for stage in stages.values():
        items: list[dict[str, Any]] = [{}]
        if "matrix" in stage:
            [variable] = stage["matrix"]
            items = [{"item": {variable: item}} for item in items_of(stage, values)]
        for item in items:
            yield _filled({key: stage.get(key, []) for key in _READ}, {**values, **item})


def items_of(stage: Mapping[str, Any], values: Mapping[str, Any]) -> list[Any]:
    """Of a stage with a matrix (of one variable); `train_segmentation@round1` is of the second."""
    [listed] = stage["matrix"].values()
    return listed if isinstance(listed, list) else _value(_TEMPLATE.fullmatch(listed)[1], values)  # type: ignore[index]


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


def _value_or_none(key: str, values: Mapping[str, Any]) -> Any:
    """A params.yaml of before a key was there goes by the code's default."""
    try:
        return _value(key, values)
    except KeyError:
        return None


def _read_by(stages: list[dict[str, Any]]) -> list[list[int]]:
    """Of each stage those whose outputs it reads, in the order of its dependencies."""
    # Stages by what they write, and by every folder that it lies in.
    writing: dict[PurePath, set[int]] = defaultdict(set)
    writing_in: dict[PurePath, set[int]] = defaultdict(set)
    for place, stage in enumerate(stages):
        for path in map(PurePath, _paths(stage["outs"] + stage["metrics"])):
            writing[path].add(place)
            for folder in (path, *path.parents):
                writing_in[folder].add(place)

    def read(stage: dict[str, Any]) -> Iterator[int]:
        for dependency in map(PurePath, _paths(stage["deps"])):
            yield from sorted(writing_in[dependency].union(*(writing[folder] for folder in dependency.parents)))

    return [list(dict.fromkeys(read(stage))) for stage in stages]


def _order(reads: list[list[int]]) -> list[int]:
    """As DVC has it: those of dvc.yaml from top to bottom, each after all that it depends on."""
    order: dict[int, None] = {}
    entered: set[int] = set()

    def visit(place: int) -> None:
        if place in entered:
            return
        entered.add(place)
        for other in reads[place]:
            visit(other)
        order[place] = None

    for place in range(len(reads)):
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
