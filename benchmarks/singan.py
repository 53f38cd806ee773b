"""SinGAN's training: mode fast against mode reference of the same code, on one slice.

    python benchmarks/singan.py --size 64 --iterations 20 --turns 5

With `--size 256` K is 16, as in the paper. On a GPU two calls measure the bars: `--size 256 --iterations 100 --bar 10`
the ratio, `--size 256 --iterations 2000 --minutes 10 4` how long one model takes at the paper's budget.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from harness import Figure, in_turns, publish, seconds

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.augmentation.singan.training import Wanted, train_bank
from gbaseg.runtime.device import choose_device, has_bfloat16


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
    # Textured, and dark enough not to be clipped when a copy of it is made brighter.
    image[spot(size)] = (0.55 + 0.08 * rng.standard_normal((size, size)))[spot(size)]
    return np.clip(image, 0, 1).astype(np.float32)


def train_one(image: np.ndarray, settings: SinGANSettings, seed: int = 1) -> None:
    """Train a model and throw it away."""
    train_some(image, settings, [seed])


def train_some(image: np.ndarray, settings: SinGANSettings, seeds: Sequence[int]) -> None:
    """The same with a bank of models in one network."""
    device = choose_device()
    with tempfile.TemporaryDirectory() as scratch:
        train_bank([Wanted(image, seed, Path(scratch) / str(seed)) for seed in seeds], settings, device, k_star=3)
        if device.type == "cuda":
            torch.cuda.synchronize()


def within(about: str, pyramid: str, train: Callable[..., None], minutes: float) -> Figure:
    """One model's time against the time that it may take."""
    taken = seconds(lambda: train(mode="fast", pyramid=pyramid))
    return Figure(
        f"SinGAN, pyramid `{pyramid}`, {about}", taken, 60 * minutes, "s", "allowed", 60 * minutes / taken, 1, 1.0
    )


@click.command(help=__doc__)
@click.option("--size", default=64, show_default=True, help="Pixels a side.")
@click.option("--iterations", default=20, show_default=True, help="A scale.")
@click.option("--turns", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--bar", default=2.0, show_default=True, help="Least ratio aimed at.")
@click.option("--minutes", nargs=2, type=float, help="Only time mode fast: bars of the pyramids full and used.")
def main(size: int, iterations: int, turns: int, bar: float, minutes: tuple[float, float] | None) -> None:
    device, image = choose_device(), slice_like_a_head(size)

    def train(**changes: object) -> None:
        train_one(image, SinGANSettings(iterations=iterations).model_copy(update=changes))

    for mode in ("fast", "reference"):
        train(iterations=1, mode=mode)  # kernels are chosen
    about = (
        f"{size} x {size}, K = {make_pyramid((size, size)).last_scale}, {iterations} iterations a scale, {device.type}"
    )
    if minutes:
        publish(
            f"singan_{device.type}_minutes",
            [within(about, pyramid, train, bar) for pyramid, bar in zip(("full", "used"), minutes, strict=True)],
        )
        return
    reference = "mode reference"
    slower = device.type == "cpu" and not has_bfloat16()
    figures = [
        in_turns(
            f"SinGAN, {about}", lambda: train(mode="fast"), lambda: train(mode="reference"), turns, reference, bar,
            note="this processor has no bfloat16, to which mode fast owes most of its gain" if slower else "",
        ),
        in_turns(
            f"SinGAN, pyramid `used` for k* up to 3, {about}",
            lambda: train(mode="fast", pyramid="used"), lambda: train(mode="reference"), turns, f"{reference}, full",
        ),
    ]  # fmt: skip
    fast = SinGANSettings(iterations=iterations)

    def one_after_the_other() -> None:
        for seed in range(2):
            train_one(image, fast, seed)

    figures.append(
        in_turns(
            f"two SinGANs in one network, {about}",
            lambda: train_some(image, fast, range(2)),
            one_after_the_other,
            turns,
            "mode fast, one after the other",
        )
    )
    # What is gained on a processor depends on whether it has bfloat16: a file each.
    kind = device.type if device.type != "cpu" else "bfloat16" if has_bfloat16() else "float32"
    publish(f"singan_{kind}", figures)


if __name__ == "__main__":
    main()
