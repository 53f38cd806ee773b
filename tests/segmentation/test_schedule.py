"""The learning rate of short trainings."""

import pytest
import torch

from gbaseg.segmentation.schedule import OneCycle, one_cycle


def test_the_rate_rises_in_the_first_fifth_and_falls_to_nothing():
    assert [one_cycle(done) for done in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0.1, 0.55, 1.0, 0.5, 0.0])
    rates = [one_cycle(step / 100) for step in range(101)]
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:], reverse=True)


def test_every_group_of_the_optimiser_has_its_share_of_the_highest_rate():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimiser = torch.optim.AdamW([{"params": [weight]} for weight in weights])
    OneCycle(optimiser, highest=0.02, epochs=10).step(6.0)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.01, 0.01])
