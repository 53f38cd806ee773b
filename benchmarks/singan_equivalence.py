"""Whether mode fast trains the same SinGAN as mode reference: every trait over seeds.

    python benchmarks/singan_equivalence.py --size 64 --iterations 100 --seeds 5

A trait counts as the same when the median distance between models of the two modes is no larger than the largest
between two reference models that differ in nothing but the seed. Writes docs/singan_equivalence.md.
"""

import tempfile
from pathlib import Path

import click
import pandas as pd
from harness import machine
from singan import slice_like_a_head, spot

from gbaseg.augmentation.settings import AugmentationSettings, SinGANSettings
from gbaseg.augmentation.singan.equivalence import Traits, compare, traits_of
from gbaseg.augmentation.singan.training import Wanted, train_singan
from gbaseg.runtime.device import choose_device

PAGE = Path(__file__).parent.parent / "docs" / "singan_equivalence.md"


def models(mode: str, size: int, iterations: int, seeds: range) -> list[Traits]:
    image, mask = slice_like_a_head(size), spot(size)
    singan = SinGANSettings(iterations=iterations, mode=mode)
    settings = AugmentationSettings(singan=singan)
    found = []
    for seed in seeds:
        reports = []
        with tempfile.TemporaryDirectory() as scratch:
            model = train_singan(
                Wanted(image, seed, Path(scratch)),
                singan,
                choose_device(),
                on_scale=reports.append,
                name=f"{mode} {seed}",
            )
        found.append(traits_of(model, reports, mask, settings, factor=1.4, k_star=3, seed=seed))
    return found


@click.command(help=__doc__)
@click.option("--size", default=64, show_default=True)
@click.option("--iterations", default=100, show_default=True, help="A scale.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=3), help="Of each mode.")
def main(size: int, iterations: int, seeds: int) -> None:
    reference = models("reference", size, iterations, range(seeds))
    rows = compare(reference, models("fast", size, iterations, range(seeds, 2 * seeds)))
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
        f"{size} x {size} pixels, {iterations} iterations a scale, {seeds} seeds of each mode; {machine()}.\n\n"
        f"{table.to_markdown(index=False)}\n",
        encoding="utf-8",
    )
    click.echo(f"{sum(row.same for row in rows)} of {len(rows)} traits are the same; {PAGE}")


if __name__ == "__main__":
    main()
