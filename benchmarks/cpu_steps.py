"""Standardise and Van Cittert: two worker processes against one, and each step against its library's bare calls.

    python benchmarks/cpu_steps.py --cases 16 --turns 3

Images are read and written as the stages do it; the workers' start is part of the time. Peak memory is that of a worker
on one case of 512 x 512 x 120 voxels.
"""

import os
import resource
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import SimpleITK as sitk
from harness import Figure, in_turns, publish
from scipy import ndimage

from gbaseg import volume
from gbaseg.runtime.engine import WORKERS, Task, run
from gbaseg.standardise.case import standardise_image
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.translation.settings import VanCittertSettings
from gbaseg.translation.van_cittert import sigma_voxels, van_cittert

STANDARD = StandardiseSettings()  # the paper's
DECONVOLUTION = VanCittertSettings()
SPACING_ZYX_MM = (1.5, 0.5, 0.5)


def write_scan(path: Path, shape_zyx: tuple[int, int, int]) -> None:
    """A head-like scan of float32 voxels."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape_zyx)
    head = (z[:, None, None] / 0.9) ** 2 + (y[None, :, None] / 0.8) ** 2 + (x[None, None, :] / 0.7) ** 2 < 1
    noise = np.random.default_rng(0).random(shape_zyx, dtype=np.float32)
    volume.write(volume.Volume(head * (600 + 300 * noise), volume.Grid(shape_zyx, SPACING_ZYX_MM)), path)


def standardise_and_deconvolve(scan: Path, out: Path) -> None:
    """What the two stages do with a case, but for the translation in between."""
    image, _ = standardise_image(volume.read(scan), STANDARD)
    sharp = van_cittert(image.array, image.grid.spacing_zyx_mm, DECONVOLUTION)
    volume.write(image.with_array(sharp), out)


def peak_gib(scan: Path, out: Path) -> float:
    """The same, and the most memory this process ever had."""
    standardise_and_deconvolve(scan, out)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def with_workers(workers: int, scan: Path, folder: Path, cases: int) -> None:
    os.environ[WORKERS] = str(workers)
    tasks = [
        Task(f"case {n}", standardise_and_deconvolve, {"scan": scan, "out": folder / f"{n}.nii.gz"})
        for n in range(cases)
    ]
    run(tasks, name="cases")


def bare_calls(image: volume.Volume, turns: int) -> list[Figure]:
    """Each step against the library calls that it cannot do without."""
    standard, _ = standardise_image(image, STANDARD)
    fine = sitk.GetImageFromArray(image.array)
    fine.SetSpacing(image.grid.spacing_zyx_mm[::-1])
    shape = image.grid.respaced(STANDARD.spacing_xyz_mm[::-1]).shape
    sigma = sigma_voxels(standard.grid.spacing_zyx_mm, DECONVOLUTION)

    ratio = np.array(STANDARD.spacing_xyz_mm[::-1]) / np.array(image.grid.spacing_zyx_mm)
    variance = [float(v) for v in np.maximum(ratio**2 - 1.0, 0.0)[::-1] / 4.0]
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[[0, 2]] = False

    def standardise() -> None:
        smooth = sitk.DiscreteGaussian(fine, variance, useImageSpacing=False)
        like = sitk.Image(list(shape[::-1]), sitk.sitkFloat32)
        like.SetSpacing(STANDARD.spacing_xyz_mm)
        resampled = sitk.Resample(smooth, like, sitk.Transform(), sitk.sitkBSpline)
        tissue = sitk.GetArrayFromImage(sitk.OtsuMultipleThresholds(resampled, 2, 0, 128)) > 0
        head = ndimage.binary_fill_holes(tissue, in_plane)
        voxels = sitk.GetArrayFromImage(resampled)
        np.percentile(voxels[head], STANDARD.intensity_percentiles)
        np.percentile(voxels, STANDARD.brain_percentile)

    def blurs() -> None:
        for _ in range(DECONVOLUTION.iterations):
            ndimage.gaussian_filter(standard.array, sigma, mode="nearest", truncate=4.0)

    size = " x ".join(map(str, image.array.shape[::-1]))
    return [
        in_turns(
            f"standardise one case of {size}", lambda: standardise_image(image, STANDARD), standardise,
            turns, "SimpleITK's, scipy's and numpy's calls alone",
        ),
        in_turns(
            f"Van Cittert, {DECONVOLUTION.iterations} iterations, {' x '.join(map(str, standard.array.shape[::-1]))}",
            lambda: van_cittert(standard.array, standard.grid.spacing_zyx_mm, DECONVOLUTION), blurs,
            turns, "scipy's Gaussian filters alone",
        ),
    ]  # fmt: skip


@click.command(help=__doc__)
@click.option("--cases", default=16, show_default=True)
@click.option("--turns", default=3, show_default=True, type=click.IntRange(min=1))
def main(cases: int, turns: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan, large = folder / "scan.nii.gz", folder / "large.nii.gz"
        write_scan(scan, (60, 384, 384))
        write_scan(large, (120, 512, 512))
        both = in_turns(
            f"standardise and Van Cittert, {cases} cases of 384 x 384 x 60, two workers",
            lambda: with_workers(2, scan, folder, cases), lambda: with_workers(1, scan, folder, cases),
            turns, "one worker", bar=1.8,
        )  # fmt: skip
        [peak] = run([Task("large", peak_gib, {"scan": large, "out": folder / "out.nii.gz"})])
        note = f"peak memory of a worker on a case of 512 x 512 x 120: {peak:.2f} GiB (bar: 1.5)"
        publish("cpu_steps", [replace(both, note=note), *bare_calls(volume.read(scan), turns)])


if __name__ == "__main__":
    main()
