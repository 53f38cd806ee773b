"""Cases side by side beside a GPU against one after the other: translation and prediction, writing included.

    python benchmarks/gpu_turns.py --cases 12 --shape 80 256 256 --turns 2

The volumes are noise, the networks untrained and of the paper's sizes. On a processor cases never overlap: both are the
same there.
"""

import os
import tempfile
from pathlib import Path

import click
import numpy as np
from harness import in_turns, publish
from scipy import ndimage

from gbaseg import params, volume
from gbaseg.cases import Case
from gbaseg.params import Params
from gbaseg.presets import preset_content
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.engine import WORKERS
from gbaseg.runtime.store import Store
from gbaseg.segmentation.dataset import TrainingItem, prepare
from gbaseg.segmentation.ensemble import fold_file
from gbaseg.segmentation.planning import CONFIGURATION
from gbaseg.segmentation.prediction import PredictionItem, predict_cases
from gbaseg.segmentation.workspace import Workspace
from gbaseg.stages.train_translation import MODE, WEIGHTS
from gbaseg.stages.translate import translate_cases
from gbaseg.workflow import layout
from gbaseg.workflow.context import write_json

SPACING_ZYX_MM = (1.0, 0.6, 0.6)
PRESETS = Path(__file__).absolute().parents[1] / "presets"


def write_cases(count: int, shape: tuple[int, int, int]) -> list[Case]:
    rng, grid = np.random.default_rng(0), volume.Grid(shape, SPACING_ZYX_MM)
    label = np.zeros(shape, np.uint8)
    label[tuple(slice(edge // 3, edge // 2) for edge in shape)] = 1
    cases = []
    for number in range(count):
        name = f"c{number}"
        case = Case(name, name, "A", "source", "train", "ceT1", f"images/{name}.nii.gz", f"labels/{name}.nii.gz")
        image = ndimage.gaussian_filter(rng.random(shape, dtype=np.float32), 1.5)
        image = ((image - image.min()) / np.ptp(image) + label) / 2
        volume.write(volume.Volume(image.astype(np.float32), grid), layout.STANDARD / case.image)
        volume.write(volume.Volume(label, grid), layout.STANDARD / case.label)
        cases.append(case)
    return cases


def write_translation(settings: Params) -> None:
    from gbaseg.translation.networks import Generator
    from gbaseg.translation.weights import Generators, save_generators

    one = settings.translation.cyclegan
    sizes = (one.generator_width, one.residual_blocks, one.generator_halvings)
    layout.TRANSLATION_MODEL.mkdir(parents=True)
    save_generators(Generators(Generator(*sizes), Generator(*sizes)), layout.TRANSLATION_MODEL / WEIGHTS)
    write_json(layout.TRANSLATION_MODEL / MODE, {"mode": "cyclegan"})


def write_model(settings: Params, cases: list[Case], folds: int) -> Path:
    """Untrained folds of what nnU-Net plans for these cases."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from gbaseg.segmentation.weights import save_network

    items = [
        TrainingItem(one.case, one.patient, layout.STANDARD / one.image, layout.STANDARD / one.label) for one in cases
    ]
    structures = {name: value for name, value in settings.labels.items() if value == 1}
    wanted = settings.segmentation.model_copy(update={"folds": 2})
    plans = prepare(items, structures, wanted, 1, Workspace(Path("work")), Store(Path("store")), SPACING_ZYX_MM)
    manager = PlansManager(plans)
    configuration = manager.get_configuration(CONFIGURATION)
    model = Path("model")
    for fold in range(folds):
        network = nnUNetTrainer.build_network_architecture(
            manager, configuration, 1, len(structures) + 1, enable_deep_supervision=False
        )
        save_network(network, model / fold_file(fold))
    write_json(model / "plans.json", plans)
    write_json(model / "dataset.json", {"labels": {"background": 0, **structures}, "channel_names": {"0": "MRI"}})
    return model


@click.command(help=__doc__)
@click.option("--cases", "count", default=12, show_default=True)
@click.option("--shape", nargs=3, type=int, default=(80, 256, 256), show_default=True)
@click.option("--folds", default=2, show_default=True)
@click.option("--turns", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--preset", default="crossmoda2022", show_default=True, help="Whose sizes the networks have.")
@click.option("--publish", "published", is_flag=True, help="Into benchmarks/results.")
def main(count: int, shape: tuple[int, int, int], folds: int, turns: int, preset: str, published: bool) -> None:
    settings = params.check(preset_content(preset, PRESETS))
    at_once = os.environ.get(WORKERS, str(len(os.sched_getaffinity(0))))
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        cases = write_cases(count, shape)
        write_translation(settings)
        model = write_model(settings, cases[:3], folds)
        patches = np.random.default_rng(1).random((2048, 49))
        items = [
            PredictionItem(
                one.case, layout.STANDARD / one.image, Path("masks", f"{one.case}.nii.gz"), Path(f"{one.case}.npy")
            )
            for one in cases
        ]

        def translate(workers: str) -> None:
            os.environ[WORKERS] = workers
            translate_cases(cases, Path("translated"), settings, patches)

        def predict(workers: str) -> None:
            os.environ[WORKERS] = workers
            predict_cases(model, items, settings.pieces, settings.segmentation.prediction, later=False)

        size = f"{count} cases of {' x '.join(map(str, shape[::-1]))} on {choose_device().type}"
        figures = []
        for what, work in (("translate", translate), (f"predict by {folds} folds", predict)):
            work("1")  # what a GPU does at its first call is no case's
            ours, baseline = (lambda work=work: work(at_once)), (lambda work=work: work("1"))
            figures.append(in_turns(f"{what}: {size}, {at_once} cores", ours, baseline, turns, "one after the other"))
        os.chdir(PRESETS.parent)
    for figure in figures:
        click.echo(f"{figure.what}: {figure.value:.2f} s, {figure.baseline:.2f} s before, {figure.ratio:.2f} times")
    if published:
        publish("gpu_turns", figures)


if __name__ == "__main__":
    main()
