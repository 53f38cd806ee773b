"""What a training that has diverged says."""

import math

import pytest
import torch

from gbaseg.runtime.finite import broken_losses, diverged, is_flattened, not_finite


def test_losses_that_are_not_finite_are_named():
    assert broken_losses({"a": 1.0, "b": math.nan, "c": -math.inf, "d": -1e30}) == ["loss b is nan", "loss c is -inf"]


def test_tensors_that_are_not_finite_are_named():
    named = {"a": torch.ones(2), "b": torch.tensor([math.inf]), "c": torch.tensor([1, 2]), "d": torch.zeros(0)}
    assert not_finite(named) == ["b"]
    assert not_finite({"a": named["a"], "c": named["c"]}) == not_finite({}) == []


@pytest.mark.parametrize(
    ("image", "made_from", "flat"),
    [
        ([-1.0, -1.0], [-1.0, 0.5], True),
        ([1.0, 1.0], [-1.0, 0.5], True),
        ([-1.0, -0.99], [-1.0, 0.5], False),
        ([-1.0, -1.0], [-1.0, -0.99], False),  # of air nothing is to be made
    ],
)
def test_a_constant_image_of_one_with_contrast(image, made_from, flat):
    assert is_flattened(torch.tensor(image), torch.tensor(made_from)) is flat


def test_the_message_names_loss_time_rate_key_and_what_is_kept():
    found = [f"loss {name} is nan" for name in "abcd"]
    kept = str(diverged("CycleGAN", found, "epoch 3 of 9", 1e9, "translation.cyclegan.learning_rate", "epoch 2"))
    assert kept == (
        "CycleGAN: loss a is nan, loss b is nan, loss c is nan and 1 more in epoch 3 of 9, at a learning rate of 1e+09"
        ": the training has diverged and stops. Lower translation.cyclegan.learning_rate in params.yaml; "
        "kept, and gone on from by the same command: epoch 2"
    )
