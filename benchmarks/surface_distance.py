"""ASSD of this project against MedPy's, turn by turn, on two masks of a scan of full size.

    python benchmarks/surface_distance.py --turns 3

Prints each turn, then one JSON line: median seconds, median ratio MedPy / ours, largest relative difference.
"""

import json
import statistics
import time

import click
import numpy as np
from medpy.metric import binary as medpy

from gbaseg.evaluation.metrics import assd_mm

SPACING_ZYX_MM = (1.0, 0.4, 0.4)


def tumours(shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid of about 3400 mm3 and a prediction that is a little off, smaller, with a frayed surface."""
    z, y, x = (np.arange(n, dtype=np.float32) * step for n, step in zip(shape, SPACING_ZYX_MM, strict=True))
    middle = [0.5 * n * step + 3.0 * rng.random() for n, step in zip(shape, SPACING_ZYX_MM, strict=True)]

    def ellipsoid(shift: float, scale: float) -> np.ndarray:
        parts = [
            ((axis - m - shift) / (radius * scale)) ** 2
            for axis, m, radius in zip((z, y, x), middle, (8.0, 10.0, 10.0), strict=True)
        ]
        return parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :]

    reference = ellipsoid(0.0, 1.0) <= 1.0
    distance = ellipsoid(0.6, 0.95)
    return reference, (distance <= 1.0) & ~((distance > 0.8) & (rng.random(shape) < 0.1))


@click.command(help=__doc__)
@click.option("--turns", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--shape", default=(120, 512, 512), show_default=True, type=(int, int, int), help="Z Y X")
def main(turns: int, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    ours, theirs, differences = [], [], []
    for turn in range(turns):
        reference, prediction = tumours(shape, rng)
        started = time.perf_counter()
        value = assd_mm(reference, prediction, SPACING_ZYX_MM)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        directed = [medpy.asd(a, b, SPACING_ZYX_MM) for a, b in ((reference, prediction), (prediction, reference))]
        theirs.append(time.perf_counter() - started)
        expected = float(np.mean(directed))
        differences.append(abs(value - expected) / expected)
        click.echo(f"turn {turn}: ours {ours[-1]:.4f} s, MedPy {theirs[-1]:.2f} s, ASSD {value:.6f} mm")
    result = {
        "shape_zyx": shape,
        "tumour_mm3": round(float(np.count_nonzero(reference) * np.prod(SPACING_ZYX_MM)), 1),
        "turns": turns,
        "ours_s": round(statistics.median(ours), 5),
        "medpy_s": round(statistics.median(theirs), 3),
        "ratio": round(statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 1),
        "largest_relative_difference": max(differences),
    }
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
