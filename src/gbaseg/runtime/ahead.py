"""The next item made ready while the present one is worked on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

_Item = TypeVar("_Item")
_Ready = TypeVar("_Ready")


def one_ahead(
    make_ready: Callable[[_Item], _Ready], items: Sequence[_Item]
) -> Generator[tuple[_Item, Callable[[], _Ready]], None, None]:
    """Each item, and what gives it ready or raises what its making raised.

    One thread makes ready; it begins with an item when the one before it is taken, so that no more than two are there.
    """
    with ThreadPoolExecutor(1) as beside:
        try:
            waiting = beside.submit(make_ready, items[0]) if items else None
            for index, item in enumerate(items):
                assert waiting is not None
                wait([waiting])
                ready = waiting.result
                waiting = beside.submit(make_ready, items[index + 1]) if index + 1 < len(items) else None
                yield item, ready
        finally:
            beside.shutdown(wait=False, cancel_futures=True)
