"""Trained generators on disk."""

import torch

from gbaseg.translation.networks import Generator, initialise
from gbaseg.translation.weights import Generators, load_generators, save_generators

CPU = torch.device("cpu")


def generators(seed: int) -> Generators:
    made = Generators(Generator(4, 2, 1), Generator(4, 2, 1))
    for network in (made.to_target, made.to_source):
        initialise(network, torch.Generator().manual_seed(seed))
        seed += 1
    return made


def test_what_is_read_is_what_was_written(tmp_path):
    written = generators(0)
    save_generators(written, tmp_path / "made" / "generators.safetensors")
    read = load_generators(tmp_path / "made" / "generators.safetensors", CPU)
    image = torch.rand(1, 1, 16, 16)
    assert torch.equal(read.to_target(image), written.to_target(image))
    assert torch.equal(read.to_source(image), written.to_source(image))
    assert not torch.equal(read.to_source(image), written.to_target(image))
    assert not read.to_target.training


def test_equal_weights_give_equal_files(tmp_path):
    # DVC then sees that nothing has changed.
    for name, seed in (("a", 0), ("b", 0), ("c", 5)):
        save_generators(generators(seed), tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c
