"""Which slices train the CycleGAN, in what order, and which crop of each."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbaseg.errors import UserError
from gbaseg.translation.settings import CycleGANSettings
from gbaseg.translation.slices import endless_batches, patch_size, sample_batch, usable

SMALL = CycleGANSettings(discriminator_layers=1)


def test_slices_of_air_take_no_part():
    slices = np.zeros((3, 10, 10), dtype=np.float32)
    slices[0, :2, :] = 0.5  # 20 % tissue
    slices[1, 0, :4] = 0.5  # 4 %
    assert usable(slices, SMALL, "source").tolist() == [0]
    with pytest.raises(UserError, match=r"min_tissue_fraction.*target"):
        usable(slices[2:], SMALL, "target")


@given(count=st.integers(1, 12), batch=st.integers(1, 5), seed=st.integers(0, 99))
def test_every_slice_comes_once_before_any_comes_again(count, batch, seed):
    indices = np.arange(100, 100 + count)
    rounds = 3
    batches = itertools.islice(endless_batches(indices, batch, np.random.default_rng(seed)), rounds * count)
    order = np.concatenate(list(batches))[: rounds * count]
    for part in order.reshape(rounds, count):
        assert sorted(part) == indices.tolist()


def test_crops_are_parts_of_their_slices_and_follow_the_seed():
    slices = np.arange(2 * 12 * 10, dtype=np.float32).reshape(2, 12, 10) / 240
    draw = lambda seed: sample_batch(slices, np.array([1, 0]), (8, 6), False, np.random.default_rng(seed))  # noqa: E731
    batch = draw(5)
    assert batch.shape == (2, 1, 8, 6)
    for crop, slice_ in zip(batch[:, 0].numpy(), slices[[1, 0]], strict=True):
        top, left = np.argwhere(slice_ == crop[0, 0])[0]
        np.testing.assert_array_equal(crop, slice_[top : top + 8, left : left + 6])
    assert np.array_equal(batch, draw(5))
    assert not np.array_equal(batch, draw(6))


def test_half_of_the_slices_are_mirrored_on_request():
    slices = np.tile(np.arange(8, dtype=np.float32) / 8, (1, 8, 1))
    picked = np.zeros(200, dtype=int)
    batch = sample_batch(slices, picked, (8, 8), True, np.random.default_rng(0))[:, 0].numpy()
    mirrored = (batch == slices[:, :, ::-1]).all((1, 2))
    assert ((batch == slices).all((1, 2)) | mirrored).all()
    assert 0.35 < mirrored.mean() < 0.65
    assert (sample_batch(slices, picked, (8, 8), False, np.random.default_rng(0))[:, 0].numpy() == slices).all()


def test_patch_size_is_the_crop_or_the_slice_and_must_fit():
    source, target = np.zeros((1, 20, 24)), np.zeros((1, 20, 24))
    assert patch_size(source, target, SMALL) == (20, 24)
    assert patch_size(source, target[:, :16], SMALL.model_copy(update={"crop_yx": (16, 16)})) == (16, 16)
    with pytest.raises(UserError, match="one size"):
        patch_size(source, target[:, :16], SMALL)
    with pytest.raises(UserError, match="outside what fits"):
        patch_size(source, target[:, :16], SMALL.model_copy(update={"crop_yx": (20, 16)}))
    with pytest.raises(UserError, match="at least 24 pixels"):
        patch_size(source, target, CycleGANSettings())
