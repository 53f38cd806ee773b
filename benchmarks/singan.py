"""SinGAN's training: mode fast against mode reference of the same code, on one slice.

    python benchmarks/singan.py --size 64 --iterations 20 --turns 3

On a GPU: `--size 256 --iterations 2000 --turns 1` is the paper's setting, K = 16.
"""

import tempfile
from pathlib import Path

import click
import numpy as np
import torch
from harness import in_turns, publish

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.augmentation.singan.training import train_singan
from gbaseg.runtime.device import choose_device


def spot(size: int) -> np.ndarray:
    """(size, size), true in the tumour of `slice_like_a_head`."""
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    return np.hypot(y - 0.1, x - 0.15) < 0.06


def slice_like_a_head(size: int) -> np.ndarray:
    """(size, size) in [0, 1]: an ellipse of textured tissue with a bright spot, from a fixed seed."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    tissue = (y / 0.45) ** 2 + (x / 0.38) ** 2 < 1
    coarse = np.kron(rng.random((8, 8)), np.ones((size // 8 + 1, size // 8 + 1)))[:size, :size]
    image = tissue * (0.25 + 0.3 * coarse + 0.05 * rng.standard_normal((size, size)))
    image[spot(size)] = 0.8
    return np.clip(image, 0, 1).astype(np.float32)


@click.command(help=__doc__)
@click.option("--size", default=64, show_default=True, help="Pixels a side.")
@click.option("--iterations", default=20, show_default=True, help="A scale.")
@click.option("--turns", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--bar", default=2.0, show_default=True, help="Least ratio aimed at.")
def main(size: int, iterations: int, turns: int, bar: float) -> None:
    device, image = choose_device(), slice_like_a_head(size)

    def train(**changes: object) -> None:
        settings = SinGANSettings(iterations=iterations).model_copy(update=changes)
        with tempfile.TemporaryDirectory() as scratch:
            train_singan(image, settings, 1, device, Path(scratch), k_star=3)
            if device.type == "cuda":
                torch.cuda.synchronize()

    train(iterations=1, mode="fast"), train(iterations=1, mode="reference")  # kernels are chosen
    about = (
        f"{size} x {size}, K = {make_pyramid((size, size)).last_scale}, {iterations} iterations a scale, {device.type}"
    )
    reference = "mode reference"
    figures = [
        in_turns(
            f"SinGAN, {about}", lambda: train(mode="fast"), lambda: train(mode="reference"), turns, reference, bar
        ),
        in_turns(
            f"SinGAN, pyramid `used` for k* up to 3, {about}",
            lambda: train(mode="fast", pyramid="used"), lambda: train(mode="reference"), turns, f"{reference}, full",
        ),
    ]  # fmt: skip
    publish("singan" if device.type == "cpu" else f"singan_{device.type}", figures)


if __name__ == "__main__":
    main()
