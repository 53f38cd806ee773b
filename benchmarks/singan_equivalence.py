"""Whether mode fast trains the same SinGAN as mode reference: every trait over seeds.

    python benchmarks/singan_equivalence.py --size 48 --iterations 100 --seeds 8

A trait counts as the same when the median distance between models of the two modes is no larger than the largest
between two reference models that differ in nothing but the seed. Writes docs/singan_equivalence.md.
"""

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import pandas as pd
import torch
from harness import machine
from singan import slice_like_a_head, spot
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from gbaseg.augmentation.settings import AugmentationSettings, SinGANSettings
from gbaseg.augmentation.singan.equivalence import Traits, compare, traits_of
from gbaseg.augmentation.singan.scale import ScaleReport
from gbaseg.augmentation.singan.training import Wanted, train_singan
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.engine import Task, run

PAGE = Path(__file__).parent.parent / "docs" / "singan_equivalence.md"


class BFloat16ByFloat32(TorchDispatchMode):
    """Inside, a processor without bfloat16 instructions has the convolutions of one that has them.

    Products of bfloat16 numbers are summed up in float32 there, and the sums rounded. What torch does without the
    instructions takes ten times as long.
    """

    _CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)

    def __enter__(self) -> Any:
        self._has = patch("gbaseg.runtime.precision.has_bfloat16", return_value=True)
        self._has.start()
        return super().__enter__()

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)
        self._has.stop()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function not in self._CONVOLUTIONS or args[0].dtype != torch.bfloat16:
            return function(*args, **(kwargs or {}))
        made = function(*tree_map_only(torch.Tensor, torch.Tensor.float, args))
        return tree_map_only(torch.Tensor, torch.Tensor.bfloat16, made)


def train(mode: str, size: int, iterations: int, seed: int, bfloat16: bool) -> Traits:
    """One model's."""
    image, mask = slice_like_a_head(size), spot(size)
    singan = SinGANSettings(iterations=iterations, mode=mode)
    settings = AugmentationSettings(singan=singan)
    reports: list[ScaleReport] = []
    with tempfile.TemporaryDirectory() as scratch, BFloat16ByFloat32() if bfloat16 else nullcontext():
        wanted = Wanted(image, seed, Path(scratch))
        model = train_singan(wanted, singan, choose_device(), on_scale=reports.append, name=f"{mode} {seed}")
    return traits_of(model, reports, mask, settings, factor=1.4, k_star=3, seed=seed)


@click.command(help=__doc__)
@click.option("--size", default=48, show_default=True)
@click.option("--iterations", default=100, show_default=True, help="A scale.")
@click.option("--seeds", default=8, show_default=True, type=click.IntRange(min=3), help="Of each mode.")
@click.option("--bfloat16", is_flag=True, help="Mode fast as on a processor with bfloat16, on one without.")
def main(size: int, iterations: int, seeds: int, bfloat16: bool) -> None:
    about = {"size": size, "iterations": iterations}
    tasks = [
        Task(f"{mode} {seed}", train, {"mode": mode, "seed": seed, "bfloat16": bfloat16 and mode == "fast", **about})
        for mode, first in (("reference", 0), ("fast", seeds))
        for seed in range(first, first + seeds)
    ]
    found = run(tasks, exclusive=choose_device().type == "cuda", name="models")
    rows = compare(found[:seeds], found[seeds:])
    table = pd.DataFrame(
        [
            {
                "trait": row.trait,
                "fast to reference": f"{row.between:.4f}",
                "reference, seed to seed": f"{row.among:.4f}",
                "largest": f"{row.among_largest:.4f}",
                "same": "yes" if row.same else "**no**",
            }
            for row in rows
        ]
    )
    PAGE.write_text(
        "# SinGAN: mode fast against mode reference\n\n"
        "Made by `benchmarks/singan_equivalence.py`; do not edit. Distances are medians over pairs of models;\n"
        "intensities in [0, 1], of reconstruction error and noise amplitude in [-1, 1]. A trait is the same when fast\n"
        "is no further from the reference than two reference models are at most from each other.\n\n"
        f"{size} x {size} pixels, {iterations} iterations a scale, {seeds} seeds of each mode; {machine()}"
        f"{'; mode fast with the bfloat16 of other processors' if bfloat16 else ''}.\n\n"
        f"{table.to_markdown(index=False)}\n",
        encoding="utf-8",
    )
    click.echo(f"{sum(row.same for row in rows)} of {len(rows)} traits are the same; {PAGE}")


if __name__ == "__main__":
    main()
