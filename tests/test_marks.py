"""What keeps tests that train out of `make check`: tests/conftest.py counts steps."""

import torch


def test_steps_of_any_optimiser_are_counted(count_steps):
    weight = torch.nn.Parameter(torch.ones(1))
    before = count_steps()
    for kind in (torch.optim.SGD, torch.optim.Adam):
        weight.grad = torch.ones(1)
        kind([weight], lr=0.1).step()
    assert count_steps() - before == 2
