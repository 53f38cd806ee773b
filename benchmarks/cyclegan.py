"""CycleGAN's training: mode fast against mode reference (plain float32), the same networks and batches.

    python benchmarks/cyclegan.py --size 96 --width 16 --steps 20 --turns 3

On a GPU: `--size 256 --width 64 --blocks 9 --batch 1 --steps 200` is the paper's setting.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from harness import Figure, in_turns, publish, seconds
from torch.autograd import DeviceType

from gbaseg.runtime.device import choose_device
from gbaseg.translation.settings import CycleGANSettings
from gbaseg.translation.training import train_cyclegan


def slices(seed: int, size: int) -> np.ndarray:
    """(32, size, size) in [0, 1]."""
    return np.random.default_rng(seed).random((32, size, size), dtype=np.float32)


def busy(train: Callable[[int], object], few: int, many: int) -> Figure:
    """The part of a step's time in which the GPU computes.

    Of the steps between two trainings: libraries' start and the recording of a step are in both. Few steps: a
    profile's events take longer to read than the steps take.
    """
    (wall, kernels), (more_wall, more_kernels) = (times(partial(train, steps)) for steps in (few, many))
    wall, kernels = more_wall - wall, more_kernels - kernels
    share = f"kernels / wall time of {many - few} steps"
    return Figure("CycleGAN, GPU busy", kernels, wall, "s", "wall time", kernels / wall, 1, 0.9, share)


def times(work: Callable[[], object]) -> tuple[float, float]:
    """Wall time and the sum of the GPU's kernels, in seconds."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        wall = seconds(work)
    on_gpu = [event for event in profile.events() if event.device_type == DeviceType.CUDA]
    return wall, sum(event.self_device_time_total for event in on_gpu if not event.is_user_annotation) / 1e6


@click.command(help=__doc__)
@click.option("--size", default=96, show_default=True, help="Pixels a side.")
@click.option("--width", default=16, show_default=True, help="Channels of the first layers.")
@click.option("--blocks", default=3, show_default=True, help="Residual blocks.")
@click.option("--batch", default=4, show_default=True, help="Slices a step.")
@click.option("--steps", default=20, show_default=True)
@click.option("--turns", default=3, show_default=True, type=click.IntRange(min=1))
def main(size: int, width: int, blocks: int, batch: int, steps: int, turns: int) -> None:
    device, source, target = choose_device(), slices(0, size), slices(1, size)

    def train(mode: str, steps: int = steps) -> None:
        settings = CycleGANSettings(
            mode=mode, epochs=1, decay_epochs=0, steps_per_epoch=steps, batch_size=batch, generator_width=width,
            discriminator_width=width, residual_blocks=blocks,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as scratch:
            train_cyclegan(source, target, settings, 1, device, Path(scratch))

    for mode in ("fast", "reference"):
        train(mode, 5)  # kernels are chosen
    on_gpu = device.type == "cuda"
    about = f"CycleGAN, {size} x {size}, batch {batch}, width {width}, {blocks} blocks, {steps} steps, {device.type}"
    figures = [
        in_turns(
            about, lambda: train("fast"), lambda: train("reference"), turns, "mode reference", 3.0 if on_gpu else None
        )
    ]
    if on_gpu:
        figures.append(busy(lambda count: train("fast", count), 5, 30))
    publish("cyclegan_cuda" if on_gpu else "cyclegan", figures)


if __name__ == "__main__":
    main()
