"""A later round's data against round 0's: preprocessing where only labels are new.

    python benchmarks/round_data.py --source 16 --copies 4 --target 8 --turns 3

Then how long one preprocessed case takes to be written, against nnU-Net's own compression.

Round 0 has the source's images and their copies; round 1 has the target's too, with pseudo-labels; round 2 has
those images with other pseudo-labels. Each turn starts from an empty store.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

import click
import numpy as np
from harness import Figure, in_turns, publish
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from scipy import ndimage

from gbaseg import volume
from gbaseg.runtime.store import Store
from gbaseg.segmentation.dataset import TrainingItem, prepare
from gbaseg.segmentation.preprocessing import COMPRESSION
from gbaseg.segmentation.settings import NetworkSettings, SegmentationSettings
from gbaseg.segmentation.workspace import Workspace

GRID = volume.Grid((40, 256, 256), (1.0, 0.6, 0.6))
SETTINGS = SegmentationSettings(network=NetworkSettings(patch_size_zyx=(32, 128, 128), batch_size=2))
OF_ROUND_0 = "round 0"


def write_images(folder: Path, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        volume.write(volume.Volume(rng.random(GRID.shape, dtype=np.float32), GRID), folder / f"{name}.nii.gz")


def items(folder: Path, names: list[str], label: int) -> list[TrainingItem]:
    """Items of one round; `label` moves the tumour."""
    found = []
    for number, name in enumerate(names):
        mask = np.zeros(GRID.shape, np.uint8)
        mask[10:20, 100 + label : 120 + label, 50 + number : 70 + number] = 1
        path = folder / f"{name}_{label}.nii.gz"
        volume.write(volume.Volume(mask, GRID), path)
        found.append(TrainingItem(name, name.partition("_")[0], folder / f"{name}.nii.gz", path))
    return found


def compression(shape: tuple[int, int, int], patch: tuple[int, int, int], turns: int) -> Figure:
    """One case of these voxels, as smooth as an image is."""
    noise = np.random.default_rng(0).normal(size=(1, *shape))
    image = ndimage.gaussian_filter(noise, (0, 1, 2, 2)).astype(np.float32)
    label = np.zeros(image.shape, np.int16)
    label[(slice(None), *(slice(edge // 3, edge // 2) for edge in shape))] = 1
    blocks, chunks = comp_blosc2_params(image.shape, patch, image.itemsize)
    blocks_label, chunks_label = comp_blosc2_params(label.shape, patch, label.itemsize)
    sizes: dict[bool, int] = {}

    def save(ours: bool) -> None:
        with tempfile.TemporaryDirectory() as folder:
            nnUNetDatasetBlosc2.save_case(
                image, label, {}, f"{folder}/case",
                chunks=chunks, blocks=blocks, chunks_seg=chunks_label, blocks_seg=blocks_label,
                **(COMPRESSION if ours else {}),
            )  # fmt: skip
            sizes[ours] = sum(path.stat().st_size for path in Path(folder).iterdir())

    for ours in (True, False):
        save(ours)
    z, y, x = shape
    note = f"files {sizes[True] / sizes[False]:.2f} times as large"
    return in_turns(
        f"writing a case of {x} x {y} x {z}", lambda: save(True), lambda: save(False), turns, "nnU-Net's own", note=note
    )


@click.command(help=__doc__)
@click.option("--source", default=16, show_default=True)
@click.option("--copies", default=4, show_default=True, help="Of each source case.")
@click.option("--target", default=8, show_default=True)
@click.option("--turns", default=3, show_default=True, type=click.IntRange(min=1))
def main(source: int, copies: int, target: int, turns: int) -> None:
    seconds: dict[str, list[float]] = {OF_ROUND_0: [], "round 1": [], "round 2": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        of_source = [f"s{n}_{copy}" for n in range(source) for copy in range(copies + 1)]
        of_target = [f"t{n}" for n in range(target)]
        write_images(folder, of_source + of_target)
        first = items(folder, of_source, 0)
        rounds = [first, first + items(folder, of_target, 1), first + items(folder, of_target, 2)]
        for turn in range(turns):
            store, plans = Store(folder / f"store_{turn}"), None
            for (title, times), training in zip(seconds.items(), rounds, strict=True):
                workspace = Workspace(folder / f"turn_{turn}_{title[-1]}")
                started = time.perf_counter()
                plans = prepare(
                    training, {"VS": 1}, SETTINGS, 1, workspace, store, GRID.spacing_zyx_mm, frozen_plans=plans
                )
                times.append(time.perf_counter() - started)
                click.echo(f"turn {turn + 1} of {turns}: {title} {times[-1]:.1f} s")
    about = f"data of {{}}: {len(of_source)} images and copies, {target} target images, 256 x 256 x 40"
    publish(
        "round_data",
        [
            Figure(
                about.format(title), median(seconds[title]), median(seconds[OF_ROUND_0]), "s", OF_ROUND_0,
                median(a / b for a, b in zip(seconds[OF_ROUND_0], seconds[title], strict=True)), turns, bar=4.0,
                note=note,
            )
            for title, note in (("round 1", "its target images are new, too"), ("round 2", "new labels alone"))
        ]
        + [
            compression((120, 400, 400), (40, 224, 192), 3 * turns),
            compression((32, 96, 96), (16, 48, 48), 3 * turns),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
