"""Recorded work gives what plain calls give."""

import pytest
import torch

from gbaseg.runtime.graphs import Replayed, release

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("record", [True, False])
def test_every_call_reads_the_inputs_of_its_time(device, record):
    given, total = torch.zeros(3, device=device), torch.zeros(3, device=device)

    def add() -> None:
        total.add_(given * 2)

    step = Replayed(torch.device(device), record=record)
    for value in range(10):
        given.fill_(value)
        step(add)
    assert total.tolist() == [90.0] * 3


def test_a_cpu_records_nothing():
    calls = []
    step = Replayed(torch.device("cpu"))
    for _ in range(6):
        step(lambda: calls.append(1))
    assert len(calls) == 6


@needs_gpu
def test_a_recording_that_is_gone_leaves_no_memory_taken():
    gpu = torch.device("cuda")
    release(gpu)
    before, total = torch.cuda.memory_reserved(), torch.zeros((), device=gpu)

    def add() -> None:
        total.add_(torch.ones(1 << 26, device=gpu).sum())  # 256 MiB meanwhile

    step = Replayed(gpu)
    for _ in range(5):
        step(add)
    assert torch.cuda.memory_reserved() > before + (200 << 20)
    del step
    release(gpu)
    assert torch.cuda.memory_reserved() < before + (16 << 20)
