"""Translation of volumes slice by slice."""

import numpy as np
import pytest
import torch
from torch import nn

from gbaseg.translation.networks import Generator, initialise
from gbaseg.translation.translate import translate_volume

CPU = torch.device("cpu")


class Inverse(nn.Module):
    """x -> -x in [-1, 1], that is 1 - x in [0, 1]."""

    def forward(self, x):
        return -x


def test_intensities_are_carried_to_the_network_and_back():
    volume = np.random.default_rng(0).random((3, 5, 6), dtype=np.float32)
    out = translate_volume(Inverse(), volume, CPU, batch=2)
    np.testing.assert_allclose(out, 1.0 - volume, atol=1e-6)
    assert out.dtype == np.float32


@pytest.mark.parametrize("shape", [(5, 16, 16), (3, 13, 18)])
def test_the_batch_changes_nothing(shape):
    generator = Generator(4, 1)
    initialise(generator, torch.Generator().manual_seed(0))
    volume = np.random.default_rng(0).random(shape, dtype=np.float32)
    whole = translate_volume(generator, volume, CPU, batch=8)
    assert whole.shape == shape
    assert whole.min() >= 0.0 and whole.max() <= 1.0
    np.testing.assert_allclose(translate_volume(generator, volume, CPU, batch=2), whole, atol=1e-5)
    assert generator.training  # left as it was found


def test_the_input_is_left_alone():
    volume = np.random.default_rng(0).random((2, 8, 8), dtype=np.float32)
    before = volume.copy()
    translate_volume(Inverse(), volume, CPU)
    np.testing.assert_array_equal(volume, before)
