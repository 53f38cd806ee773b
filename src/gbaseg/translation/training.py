"""Training of the CycleGAN on unpaired slices (METHOD 3, Eq. 1 to 3)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from gbaseg.runtime.finite import broken_losses, diverged, is_flattened, not_finite
from gbaseg.runtime.progress import meter
from gbaseg.runtime.seeds import numpy_generator
from gbaseg.runtime.threads import note_computing, two_at_once
from gbaseg.translation.networks import to_network
from gbaseg.translation.settings import CycleGANSettings
from gbaseg.translation.slices import endless_batches, patch_size, sample_batch, usable
from gbaseg.translation.state import State
from gbaseg.translation.step import Step
from gbaseg.translation.weights import Generators

CHECKPOINT = "cyclegan.pt"
OnEpoch = Callable[[int, dict[str, float]], None]


def train_cyclegan(
    source_slices: np.ndarray,
    target_slices: np.ndarray,
    settings: CycleGANSettings,
    seed: int,
    device: torch.device,
    scratch: Path,
    on_epoch: OnEpoch | None = None,
    name: str = "CycleGAN",
) -> Generators:
    """Train both generators.

    Args:
        source_slices, target_slices: (N, H, W) and (M, H, W), intensities in [0, 1]; they stay in host memory.
            Slices with less tissue than `settings.min_tissue_fraction` are passed over.
        settings: all numbers.
        seed: weights, order of slices, crops, flips and pool follow from it, bit for bit on a CPU.
        device: where to compute.
        scratch: folder of the checkpoint, written after each epoch. A call that finds one goes on from there,
            to the same weights.
        on_epoch: called with the epoch (from 1) and its mean losses; after a resume also, first, for each
            epoch done before, so that a log written from it is whole.
        name: what its progress is called, unique among the trainings that run side by side.

    Raises:
        UserError: a domain has no slice with enough tissue, the domains' slices differ in size, or a crop does
            not fit; or the training diverges: a loss or a weight is not finite, or images come out constant. The
            checkpoint of the epoch before stays.
    """
    size_yx = patch_size(source_slices, target_slices, settings)
    source = usable(source_slices, settings, "source")
    target = usable(target_slices, settings, "target")
    batch = settings.batch_size
    # The official code's epoch: as long as the longer of the two data sets.
    steps = settings.steps_per_epoch or -(-max(len(source), len(target)) // batch)
    epochs = settings.epochs + settings.decay_epochs

    state = State(settings, seed, device)
    checkpoint = scratch / CHECKPOINT
    state.restore(checkpoint, device)
    # One in the middle of each domain's, by which a generator that makes nothing of them is found.
    shown = [
        _whole_slice(slices, found[len(found) // 2], device)
        for slices, found in ((source_slices, source), (target_slices, target))
    ]
    for epoch, means in enumerate(state.history, start=1):
        if on_epoch:
            on_epoch(epoch, means)

    with two_at_once(device) as both, meter(name, epochs * steps, done=len(state.history) * steps) as bar:
        note_computing(scratch, "CycleGAN", len(state.history), epochs, device)
        step = Step(state, settings, size_yx, device, both)
        for epoch in range(len(state.history) + 1, epochs + 1):
            # A generator an epoch: there is no random state to save.
            rng = numpy_generator(seed, "epoch", epoch)
            rate = _learning_rate(epoch, settings)
            state.set_learning_rate(rate)
            for picked in itertools.islice(endless_batches(source, batch, rng), steps):
                real_source = sample_batch(source_slices, picked, size_yx, settings.random_flip, rng)
                unpaired = rng.choice(target, batch)
                real_target = sample_batch(target_slices, unpaired, size_yx, settings.random_flip, rng)
                step.run(real_source, real_target, rng)
                bar.advance()
            means = {name: value / steps for name, value in step.take_sums().items()}
            found = broken_losses(means) or _flaws(state, shown)
            if found:
                kept = f"the checkpoint of epoch {epoch - 1} ({checkpoint})" if state.history else ""
                when, key = f"epoch {epoch} of {epochs}", "translation.cyclegan.learning_rate"
                raise diverged("CycleGAN", found, when, rate, key, kept)
            state.history.append(means)
            state.save(checkpoint)
            bar.advance(0, note=f"cycle {means['cycle_source']:.3f}, adversarial {means['generator_target']:.2f}")
            if on_epoch:
                on_epoch(epoch, means)
    return Generators(state.to_target.eval(), state.to_source.eval())


def _whole_slice(slices: np.ndarray, index: int, device: torch.device) -> torch.Tensor:
    """(1, 1, H, W), in [-1, 1]."""
    return to_network(torch.from_numpy(np.array(slices[index], np.float32))[None, None].to(device))


@torch.no_grad()
def _flaws(state: State, shown: list[torch.Tensor]) -> list[str]:
    """What is wrong with the networks after an epoch; nothing is read back from a GPU at every step."""
    broken = not_finite(state.weights())
    if broken:
        return [f"weights {broken[0]} are not finite"]
    return [
        f"images translated to the {to} are constant"
        for to, generator, image in (
            ("target", state.to_target, shown[0]),
            ("source", state.to_source, shown[1]),
        )
        if is_flattened(generator(image), image)
    ]


def _learning_rate(epoch: int, settings: CycleGANSettings) -> float:
    """Full for `epochs`, then linearly down, never quite to 0 (official code); epochs count from 1."""
    past = max(0, epoch - settings.epochs)
    return settings.learning_rate * (1.0 - past / (settings.decay_epochs + 1))
