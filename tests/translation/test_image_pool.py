"""The pool of earlier translations."""

import numpy as np
import torch

from gbaseg.translation.image_pool import ImagePool


def test_pool_hands_on_old_images_half_the_time_once_full():
    pool, rng = ImagePool(10), np.random.default_rng(0)
    images = torch.arange(1000.0)[:, None, None, None]
    filling = pool.exchange(images[:10], rng)
    assert torch.equal(filling, images[:10])

    out = torch.cat([pool.exchange(image[None], rng) for image in images[10:]])
    old = out[:, 0, 0, 0] != images[10:, 0, 0, 0]
    assert 0.45 < float(old.float().mean()) < 0.55
    # What is old was shown before, or stored unseen; nothing comes twice from the pool.
    assert len(torch.unique(out[old])) == int(old.sum())
    assert bool((out[old] < images[10:][old]).all())
    assert len(pool.images) == 10


def test_pool_is_deterministic_and_can_be_off():
    images = torch.arange(60.0)[:, None, None, None]
    runs = [
        torch.cat([pool.exchange(part, rng) for part in images.split(4)])
        for pool, rng in ((ImagePool(5), np.random.default_rng(2)) for _ in range(2))
    ]
    assert torch.equal(*runs)
    assert torch.equal(ImagePool(0).exchange(images, np.random.default_rng(2)), images)
