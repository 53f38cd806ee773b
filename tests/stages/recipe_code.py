"""Does recipes.yaml know of the code? `python tests/stages/recipe_code.py [--same-results WHY]` renews its lock.

Code is no DVC dependency: the number of a stage in recipes.yaml is, and it is raised by hand. `recipes.lock.json` holds
which code each number stands for: a hash of every module that a stage reaches. Where a hash differs, either the stage's
number is raised, or somebody says why its results are the same.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
RECIPES, LOCK = "recipes.yaml", "recipes.lock.json"
# What says how far a run is, what it costs, who is at it and what becomes of it, but not what it writes.
NO_RESULTS = (
    "gbaseg.cost", "gbaseg.errors", "gbaseg.git", "gbaseg.runtime.durations", "gbaseg.runtime.ending",
    "gbaseg.runtime.family", "gbaseg.runtime.leftovers", "gbaseg.runtime.ledger", "gbaseg.runtime.locks",
    "gbaseg.runtime.markers", "gbaseg.runtime.memory", "gbaseg.runtime.progress", "gbaseg.runtime.room",
    "gbaseg.workflow.counted", "gbaseg.workflow.foresight", "gbaseg.workflow.itinerary", "gbaseg.workflow.outlook",
    "gbaseg.workflow.preflight", "gbaseg.workflow.provenance", "gbaseg.workflow.roots", "gbaseg.workflow.saved",
)  # fmt: skip
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Recipes that are no stage's.
_ROOMS = {"preprocessing": "gbaseg.segmentation.preprocessing"}
# Fields that differ between versions of Python, or that say how a thing was written.
_PASSED_OVER = {"type_params", "type_comment", "kind", "ctx", "type_ignores"}


def file_of(module: str, root: Path) -> Path | None:
    """The source of a module of the project; None where there is none of that name."""
    path = root.joinpath("src", *module.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def imports(tree: ast.AST) -> Iterator[str]:
    """What may be a module of the project, of all imports, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def code_hash(tree: ast.AST) -> str:
    """Of what a module does: without comments, docstrings and layout, the same in every version of Python."""
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.blake2b(json.dumps(_plain(tree)).encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, ast.AST):
        fields = {name: _plain(one) for name, one in ast.iter_fields(value) if name not in _PASSED_OVER}
        return [type(value).__name__, {name: one for name, one in fields.items() if one not in (None, [])}]
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | bool | None) else repr(value)


def reached(module: str, root: Path = ROOT) -> dict[str, str]:
    """Module -> hash, of all that is imported from one module on and may change results, with their packages."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = file_of(name, root)
        if name in found or path is None or name.startswith(NO_RESULTS):
            continue
        names, found[name] = _read(path.read_text(encoding="utf-8"))
        waiting += [*names, name.rpartition(".")[0]]
    return dict(sorted(found.items()))


@cache
def _read(text: str) -> tuple[tuple[str, ...], str]:
    """Imports and hash of a module's source; many stages reach the same ones."""
    tree = ast.parse(text)
    return tuple(imports(tree)), code_hash(tree)


def recipes(root: Path = ROOT) -> dict[str, int]:
    """Stage -> number."""
    return dict(YAML(typ="safe").load((root / RECIPES).read_text(encoding="utf-8")))


def read_lock(root: Path = ROOT) -> dict[str, Any]:
    """What was agreed on last."""
    path = root / LOCK
    return json.loads(path.read_text()) if path.is_file() else {"stages": {}, "modules": {}, "same_results": []}


def module_of(stage: str) -> str:
    """Where the code of a recipe begins."""
    return _ROOMS.get(stage, f"gbaseg.stages.{stage}")


def changed(stage: str, root: Path = ROOT) -> list[str]:
    """Modules that a stage reaches and that differ from the lock; who reaches another one has changed himself."""
    agreed = read_lock(root)["modules"]
    return [name for name, code in reached(module_of(stage), root).items() if agreed.get(name) != code]


def faults(root: Path = ROOT) -> list[str]:
    """Stages whose code has changed and whose number has not."""
    agreed = read_lock(root)["stages"]
    return [
        f"{stage}: {', '.join(modules)} changed, its recipe is {number} as before"
        for stage, number in recipes(root).items()
        if number <= agreed.get(stage, 0) and (modules := changed(stage, root))
    ]


def renewed(root: Path = ROOT, same_results: str = "", stages: Sequence[str] = ()) -> dict[str, Any]:
    """The lock of the code as it is now.

    Args:
        root: of the project.
        same_results: why the stages whose number was not raised write what they wrote before.
        stages: of which that is said; empty: all of them.

    Raises:
        ValueError: there are others.
    """
    lock, numbers = read_lock(root), recipes(root)
    # An entry holds until the number is raised.
    entries = [
        {**entry, "stages": kept}
        for entry in lock["same_results"]
        if (kept := {stage: number for stage, number in entry["stages"].items() if numbers.get(stage) == number})
    ]
    same = {
        stage: modules
        for stage, number in numbers.items()
        if number == lock["stages"].get(stage) and (modules := changed(stage, root))
    }
    if stages and (others := sorted(same.keys() - set(stages))):
        raise ValueError(f"changed, too: {', '.join(others)}")
    if same:
        modules = sorted({name for names in same.values() for name in names})
        entries.append({"why": same_results, "modules": modules, "stages": {stage: numbers[stage] for stage in same}})
    code: dict[str, str] = {}
    for stage in numbers:
        code |= reached(module_of(stage), root)
    return {"stages": numbers, "modules": dict(sorted(code.items())), "same_results": entries}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--same-results", default="", metavar="WHY", help="for stages whose number was not raised")
    parser.add_argument("--stages", nargs="+", default=[], metavar="STAGE", help="of which it is said; default: all")
    asked = parser.parse_args()
    found = faults()
    if found and not asked.same_results.strip():
        print("\n".join([*found, f"raise the numbers in {RECIPES}, or say --same-results WHY"]), file=sys.stderr)
        return 1
    try:
        lock = renewed(same_results=asked.same_results, stages=asked.stages)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    (ROOT / LOCK).write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
