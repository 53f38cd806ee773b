"""ASSD of this project against MedPy's, turn by turn, on two masks of a scan of full size.

    python benchmarks/surface_distance.py --turns 3

Values are compared: a difference of more than 1e-9 relative is an error.
"""

from dataclasses import replace

import click
import numpy as np
from harness import in_turns, publish
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
    reference, prediction = tumours(shape, np.random.default_rng(0))
    values: dict[str, float] = {}

    def ours() -> None:
        values["ours"] = assd_mm(reference, prediction, SPACING_ZYX_MM)

    def theirs() -> None:
        directed = [medpy.asd(a, b, SPACING_ZYX_MM) for a, b in ((reference, prediction), (prediction, reference))]
        values["MedPy"] = float(np.mean(directed))

    z, y, x = shape
    figure = in_turns(f"ASSD, {x} x {y} x {z} voxels", ours, theirs, turns, "MedPy", bar=20.0)
    difference = abs(values["ours"] - values["MedPy"]) / values["MedPy"]
    if difference > 1e-9:
        raise SystemExit(f"ASSD {values['ours']} mm, MedPy {values['MedPy']} mm: not equal")
    volume = np.count_nonzero(reference) * np.prod(SPACING_ZYX_MM)
    note = f"a tumour of {volume:.0f} mm3; {values['ours']:.6f} mm from both, relative difference {difference:.1g}"
    publish("surface_distance", [replace(figure, note=note)])


if __name__ == "__main__":
    main()
