"""Cases that take turns on a GPU: what each of them has to do on the processor overlaps with the others' turns.

With one GPU a stage's cases would go one after the other through one process: reading, the GPU, deconvolution or
components, writing, each while all else waits. Here a few cases are under way at once, each in a thread from its first
line to its last, and hands what a GPU does (`on_gpu`) to the one thread that has it.

Threads, not processes: cases share the model and its place on the GPU, and nearly all of their work on the processor is
numpy's, scipy's, ITK's and zlib's, which run beside each other. One thread for the GPU: cuDNN plans its convolutions
anew in every thread that calls it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import workers_for
from gbaseg.runtime.progress import meter
from gbaseg.runtime.threads import torch_threads

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Given = ParamSpec("_Given")

# Cases under way: enough for a GPU that is eight times as fast as a core, few enough for memory.
MOST_AT_ONCE = 8


@dataclass(frozen=True)
class _Turn:
    """A call for the GPU's thread, and where its answer goes."""

    call: Callable[[], Any]
    answer: Future[Any]

    def take(self) -> None:
        try:
            self.answer.set_result(self.call())
        except Exception as error:
            self.answer.set_exception(error)
        except BaseException:
            self.answer.set_exception(CancelledError())  # asked to end; nobody is to wait for that
            raise


class _Here(threading.local):
    """Of a thread of `beside_gpu`: where it asks for a turn; None in every other thread."""

    turns: SimpleQueue[_Turn | None] | None = None


_here = _Here()


def on_gpu(call: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Call what computes on the GPU when it is this case's turn; without `beside_gpu`, and on a processor, at once.

    What it returns lies in the processor's memory where the caller goes on with it there.
    """
    if _here.turns is None:
        return call(*args, **kwargs)
    turn = _Turn(lambda: call(*args, **kwargs), Future())
    _here.turns.put(turn)
    answer: _Result = turn.answer.result()
    return answer


def dealt_out(items: Sequence[_Item], size: int, exclusive: bool) -> list[list[_Item]]:
    """Items as the groups that are a task each.

    Args:
        items: such as cases; a task loads its model once.
        size: of a group, where the groups are shared out among cores.
        exclusive: the tasks take a GPU: an equal part for each process, which has them take turns.
    """
    if exclusive:
        size = max(1, -(-len(items) // workers_for(len(items), exclusive)))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def cases_at_once(cases: int) -> int:
    """How many cases are under way at once in a process that has a GPU (`GBASEG_WORKERS`: at most so many)."""
    return min(workers_for(cases), MOST_AT_ONCE)


def beside_gpu(function: Callable[[_Item], _Result], items: Sequence[_Item], name: str) -> list[_Result]:
    """`function` of each item, in order: on a processor one after the other, with a GPU side by side, in turns on it.

    Args:
        function: computes on the GPU inside `on_gpu` alone; draws random numbers from the item's own generators.
        items: such as cases.
        name: shown with how many are done, with a GPU; on a processor the engine shows that.

    Raises:
        Exception: of the first item, in their order, that failed; those that are not begun are dropped.
    """
    threads = cases_at_once(len(items)) if is_gpu() else 1
    return in_turns(function, items, threads, name) if threads > 1 else [function(item) for item in items]


def in_turns(function: Callable[[_Item], _Result], items: Sequence[_Item], threads: int, name: str) -> list[_Result]:
    """As `beside_gpu`, with so many items under way, whatever the device; this thread has the GPU."""
    turns: SimpleQueue[_Turn | None] = SimpleQueue()
    # Their own sums on the processor are small: a core each.
    one_thread = torch_threads(1) if "torch" in sys.modules else nullcontext()
    with (
        meter(name, len(items)) as bar,
        one_thread,
        ThreadPoolExecutor(threads, initializer=_ask_here, initargs=(turns,)) as pool,
    ):
        futures = [pool.submit(function, item) for item in items]
        for future in futures:
            future.add_done_callback(lambda _: turns.put(None))
        left, failed = len(items), False
        try:
            while left:
                turn = turns.get()
                if turn is not None:
                    turn.take()
                    continue
                left -= 1
                bar.advance()
                if not failed and any(future.done() and _raised(future) for future in futures):
                    failed = True
                    for future in futures:
                        future.cancel()  # those that have not begun
        except BaseException:
            # Asked to end: no turn comes any more.
            for future in futures:
                future.cancel()
            while left:
                turn = turns.get()
                if turn is None:
                    left -= 1
                else:
                    turn.answer.set_exception(CancelledError())
            raise
    for future in futures:
        if not future.cancelled():
            future.result()
    return [future.result() for future in futures]


def _ask_here(turns: SimpleQueue[_Turn | None]) -> None:
    _here.turns = turns


def _raised(future: Future[Any]) -> bool:
    return not future.cancelled() and future.exception() is not None
