"""How many threads torch computes with, and which of them trained what: other sums come out in the last bits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbaseg.errors import UserError
from gbaseg.runtime.json_files import read_json
from gbaseg.runtime.progress import log
from gbaseg.runtime.whole import written_whole

if TYPE_CHECKING:
    import torch

# Folder, in a stage's work, of what was computed with what.
_NOTES = "computed"


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Inside, torch has `count` threads in this process; before and after, what it had."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


TwoCalls = Callable[[Callable[[], None], Callable[[], None]], None]


def _one_by_one(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()


@contextmanager
def two_at_once(device: torch.device) -> Iterator[TwoCalls]:
    """Something that makes two calls, side by side where a CPU has cores for both, each with half of torch's threads.

    Small convolutions gain little from a second thread, and two of them side by side nearly twice. What comes out is
    the same with one core and with two. On a GPU the calls are made one after the other: it has its own order.
    """
    import torch

    threads = torch.get_num_threads()
    if device.type != "cpu" or threads < 2:
        yield _one_by_one
        return
    with torch_threads(threads // 2), ThreadPoolExecutor(1) as beside:

        def call(first: Callable[[], None], second: Callable[[], None]) -> None:
            other = beside.submit(second)
            try:
                first()
            finally:
                other.result()

        yield call


def note_computing(work: Path, name: str, done: int, total: int, device: torch.device) -> None:
    """Note what a training computes with from here on; say so where an earlier try had something else.

    Args:
        work: where the training keeps its checkpoints.
        name: of the training, unique in `work`.
        done: steps (epochs, scales) that its checkpoint has.
        total: steps in all; where all are done nothing is computed any more.
        device: where it computes.
    """
    import torch

    if done >= total:
        return
    threads = torch.get_num_threads()
    now = "a GPU" if device.type == "cuda" else f"{threads} thread{'s' if threads > 1 else ''}"
    file = work / _NOTES / f"{name}.json"
    before = _read_note(file) if file.is_file() and done else []
    parts = [part for part in before if part["from"] < done]
    if not parts or parts[-1]["with"] != now:
        if parts:
            said = ", ".join(f"{part['with']} from {part['from']}" for part in parts)
            log(
                f"warning: {name}: goes on from {done} of {total} with {now}, after {said}: "
                "the result is neither's to the bit"
            )
        parts = [*parts, {"from": done, "with": now}]
    with written_whole(file) as partial:
        partial.write_text(json.dumps(parts))


def mixed_computing(work: Path) -> dict[str, Any]:
    """`{"computed": {training: [{from, with}, ...]}}` of the trainings in which that changed; empty where none did.

    Args:
        work: of a stage; notes of its trainings may lie deeper in it.
    """
    found = {file.stem: _read_note(file) for file in sorted(work.rglob(f"{_NOTES}/*.json"))}
    mixed = {name: parts for name, parts in found.items() if len(parts) > 1}
    return {"computed": mixed} if mixed else {}


def _read_note(file: Path) -> list[dict[str, Any]]:
    """Parts of a training; none where the note is torn: the training goes on all the same."""
    try:
        parts: list[dict[str, Any]] = read_json(file, kind=list)
        if all(isinstance(part["from"], int) and isinstance(part["with"], str) for part in parts):
            return parts
        said = f"{file}: not as it was written"
    except UserError as error:
        said = str(error)
    except (TypeError, KeyError):
        said = f"{file}: not as it was written"
    log(f"warning: {said}; what computed that training so far is not known")
    return []
