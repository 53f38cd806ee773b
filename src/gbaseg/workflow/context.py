"""What every stage starts with: its settings, its scratch folder, its JSON files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbaseg import params
from gbaseg.cost.counted import kind_of
from gbaseg.errors import UserError
from gbaseg.runtime.device import computed_on
from gbaseg.runtime.ending import Ended, kept
from gbaseg.runtime.engine import threads_for
from gbaseg.runtime.family import end_forks_with_this, end_with_dvc
from gbaseg.runtime.json_files import read_json
from gbaseg.runtime.ledger import entry
from gbaseg.runtime.place import elsewhere, placed
from gbaseg.runtime.progress import log
from gbaseg.runtime.room import DiskFault, disk_fault, in_bytes
from gbaseg.runtime.scratch import ROOT, Scratch, atomic_outputs, fingerprint
from gbaseg.runtime.whole import written_whole
from gbaseg.text_file import read_yaml
from gbaseg.workflow.counted import size_here, whole_work
from gbaseg.workflow.needs import place_of
from gbaseg.workflow.preflight import check_room
from gbaseg.workflow.saved import bring_back, check_fits, keep, keep_lock, release

if TYPE_CHECKING:
    from gbaseg.standardise.case import StandardCase

# Raised by hand when a change of the code changes a stage's results: DVC then runs the stage again.
RECIPES = Path("recipes.yaml")


@contextmanager
def stage(
    name: str, settings: Mapping[str, Any], inputs: list[Path], outputs: list[Path], resumable: bool = False
) -> Iterator[Scratch]:
    """Work of one stage, whose outputs appear together and only when it has succeeded.

    Args:
        name: of the stage, with the round where it has one: "train_segmentation/round_1".
        settings: what the results depend on besides the inputs.
        inputs: files and folders that are read; all have to be there.
        outputs: files and folders that are written.
        resumable: the stage keeps checkpoints: its scratch folder is found again by the fingerprint of settings and
            inputs. Otherwise it starts afresh.

    Raises:
        UserError: inputs are missing; all of them are named. A resumable stage has no recipe.
    """
    need(inputs)
    if resumable:
        folder = fingerprint(name, {**settings, "recipe": recipe(name.split("/", maxsplit=1)[0])}, inputs)
    else:
        folder = name.replace("/", "_")
    log(f"{name}: started")
    # Now: while a stage trains for days, somebody may write the next parameters.
    ran_with = params.load() if kind_of(name) else None

    def about() -> dict[str, Any]:
        where = {"device": computed_on(), "cpus": len(os.sched_getaffinity(0)), "threads": threads_for(1)}
        if scratch.found_done:
            return {**where, "found_done": scratch.found_done}
        if elsewhere() is not None:
            return {**where, "engine": "slurm"}  # of several machines, and of waiting: no speed of this one
        return {**where, **whole_work(ran_with)} if ran_with else where

    end_with_dvc()
    end_forks_with_this()
    keep_lock()
    release()
    wanted, size = 0.0, None
    asked = ran_with or (params.load() if name == "train_oracle" else None)
    if asked and name != "standardise":
        size = size_here(asked)
    with placed(place_of(name, ROOT / folder, asked, size)):
        if asked and size is not None:
            wanted = check_room(name, asked, size, folder)
        with (
            _said(name, ROOT / folder, resumable, wanted),
            entry(name, about),
            atomic_outputs(folder, *outputs, keep_work=resumable) as scratch,
        ):
            if resumable:
                bring_back(folder, scratch)
            yield scratch
            check_fits(name, scratch.outputs, resumable)
            if resumable:
                keep(folder, scratch)


@contextmanager
def _said(name: str, folder: Path, resumable: bool, wanted: float) -> Iterator[None]:
    """Say in one line what an end from outside means for a stage, or a disk that is full or may not be written to.

    Args:
        wanted: bytes that the stage takes; 0: not known.
    """
    how = f"the same command {f'goes on from what is done in {folder}' if resumable else 'begins this stage anew'}"
    try:
        with kept():
            yield
    except Ended as ended:
        ended.advice = f"{name}: {how}"
        raise
    except Exception as error:
        fault = disk_fault(error, [folder])
        if fault is None:
            raise
        takes = f" takes about {in_bytes(wanted)};" if wanted else ":"
        raise DiskFault(f"{fault}. {name}{takes} {how}") from error


def recipe(name: str) -> int:
    """Number of a stage's recipe; 0 where there is no such file.

    Raises:
        UserError: the file has none for this stage.
    """
    if not RECIPES.exists():
        return 0
    recipes = read_yaml(RECIPES) or {}
    if not isinstance(recipes, dict):
        raise UserError(f"{RECIPES}: expected lines such as 'phantom: 3', found a {type(recipes).__name__}")
    if not isinstance(recipes.get(name), int):
        raise UserError(f"{RECIPES}: {name}: {recipes.get(name)!r}; a whole number is wanted for every stage")
    return int(recipes[name])


def need(inputs: list[Path]) -> None:
    """Check that earlier stages have run.

    Raises:
        UserError: names all that is missing.
    """
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:
        raise UserError(
            f"not there yet: {', '.join(missing)}; `dvc repro` makes it (`dvc checkout` if it was made before)"
        )


def read_record(path: Path) -> StandardCase:
    """How a case was standardised, as `standardise` noted it.

    Raises:
        UserError: it is no such record.
    """
    from pydantic import ValidationError

    from gbaseg.standardise.case import StandardCase

    try:
        return StandardCase.from_dict(read_json(path))
    except ValidationError as error:
        raise UserError(f"{path}: no record of a case; `dvc checkout` brings it back") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON, the same bytes for the same content; the file appears whole or not at all."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
