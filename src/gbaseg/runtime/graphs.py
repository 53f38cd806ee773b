"""A GPU told once what to do: CUDA graphs for work whose kernels are shorter than their launches."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

# Calls before the recording: libraries choose their kernels and optimisers make their state in them.
_WARM_UP = 3


class Replayed:
    """Calls of one function that a GPU repeats from a recording; elsewhere plain calls.

    The function takes nothing, returns nothing, and reads and writes tensors at addresses that stay: the caller
    copies new inputs into them between calls. What it does in Python is done while it is recorded only. It must not
    draw random numbers or read a value back.
    """

    def __init__(self, device: torch.device, *, record: bool = True) -> None:
        """
        Args:
            device: where the function's tensors are.
            record: False: always plain calls.
        """
        self._device, self._records = device, record and device.type == "cuda"
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, function: Callable[[], None]) -> None:
        """Do the work.

        Args:
            function: the same each time. It is not kept: a recording that is part of a cycle of references would be
                freed at any time, during the next one too.
        """
        if not self._records:
            function()
            return
        # Streams and recordings are of the current device, which need not be the tensors'.
        with torch.cuda.device(self._device):
            if self._calls < _WARM_UP:
                self._warm_up(function)
            else:
                self._replay(function)
        self._calls += 1

    def _warm_up(self, function: Callable[[], None]) -> None:
        """Real work like any later call, but not on the default stream, whose state a recording must not touch."""
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            function()
        current.wait_stream(side)

    def _replay(self, function: Callable[[], None]) -> None:
        if self._graph is None:
            gc.collect()
            self._graph = torch.cuda.CUDAGraph()
            # A stream of this device: the default one is of whichever device recorded first.
            with torch.cuda.graph(self._graph, stream=torch.cuda.Stream()):
                function()
        self._graph.replay()


def release(device: torch.device) -> None:
    """Hand a GPU's memory that nothing uses back to it, for other processes; elsewhere nothing is done.

    A recording has memory of its own, which stays with the process when the recording is gone: with one a scale a
    SinGAN at 256 x 256 came to fill 78 GiB, of which it used 9.
    """
    if device.type == "cuda":
        gc.collect()
        with torch.cuda.device(device):
            torch.cuda.empty_cache()
