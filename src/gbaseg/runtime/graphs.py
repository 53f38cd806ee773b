"""A GPU told once what to do: CUDA graphs for work whose kernels are shorter than their launches."""

from __future__ import annotations

from collections.abc import Callable

import torch

# Calls before the recording: libraries choose their kernels and optimisers make their state in them.
_WARM_UP = 3


class Replayed:
    """Calls of a function that a GPU repeats from a recording; elsewhere plain calls.

    The function takes nothing, returns nothing, and reads and writes tensors at addresses that stay: the caller
    copies new inputs into them between calls. What it does in Python is done while it is recorded only. It must not
    draw random numbers or read a value back.
    """

    def __init__(self, function: Callable[[], None], device: torch.device, *, record: bool = True) -> None:
        """
        Args:
            function: the work.
            device: where its tensors are.
            record: False: always plain calls.
        """
        self._function = function
        self._records = record and device.type == "cuda"
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if not self._records:
            self._function()
        elif self._calls < _WARM_UP:
            # Real work like any later call, but not on the default stream, whose state a recording must not touch.
            current, side = torch.cuda.current_stream(), torch.cuda.Stream()
            side.wait_stream(current)
            with torch.cuda.stream(side):
                self._function()
            current.wait_stream(side)
        else:
            if self._graph is None:
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph):
                    self._function()
            self._graph.replay()
        self._calls += 1
