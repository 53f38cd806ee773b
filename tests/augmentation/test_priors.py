"""Random images of the scales below: one a step, or from a pool."""

from collections import Counter

import torch

from gbaseg.augmentation.singan.priors import Pool, Serial


class Counted:
    """Images whose value is their number, and how many were drawn at a time."""

    def __init__(self):
        self.calls = []

    def __call__(self, count):
        first = sum(self.calls)
        self.calls.append(count)
        return torch.arange(first, first + count, dtype=torch.float32).reshape(count, 1, 1, 1)


def filled(priors, steps, at_a_time):
    """The images of `steps` steps, asked for as an iteration asks."""
    images, seen = torch.empty(at_a_time, 1, 1, 1), []
    for _ in range(steps // at_a_time):
        priors.fill(images)
        seen += images.flatten().int().tolist()
    return seen


def test_serial_draws_for_every_step():
    sample = Counted()
    assert filled(Serial(sample), 3, 3) == [0, 1, 2] and sample.calls == [1, 1, 1]


def test_every_image_of_a_pool_has_its_number_of_uses_in_random_order():
    sample = Counted()
    pool = Pool(sample, uses=4, steps=1000, draw=torch.Generator().manual_seed(0))
    seen = filled(pool, 256, 1)
    assert sample.calls == [32, 32]
    assert Counter(seen) == dict.fromkeys(range(64), 4)
    assert set(seen[:128]) == set(range(32)) and seen[:128] != sorted(seen[:128])


def test_a_pool_may_run_out_within_an_iteration():
    sample = Counted()
    pool = Pool(sample, uses=4, steps=1000, draw=torch.Generator().manual_seed(0))
    seen = filled(pool, 252, 6)  # 128 is not a multiple of 6
    assert sample.calls == [32, 32]
    assert Counter(seen[:128]) == dict.fromkeys(range(32), 4)


def test_a_pool_draws_no_more_than_its_steps_need():
    sample = Counted()
    pool = Pool(sample, uses=8, steps=20, draw=torch.Generator().manual_seed(0))
    filled(pool, 20, 5)
    assert sample.calls == [3]
