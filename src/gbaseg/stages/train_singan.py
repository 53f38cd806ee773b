"""train_singan: the SinGAN that blends rescaled tumours in, trained on a single slice (METHOD 5)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from gbaseg import params, volume
from gbaseg.augmentation.rules import check_start_scales, largest_k_star
from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.augmentation.singan.slices import Candidate, central_tumour_slice, choose_target_slice
from gbaseg.cases import Case, read_table, select
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import ROOT
from gbaseg.runtime.seeds import derive
from gbaseg.runtime.store import Store, key_of
from gbaseg.stages import layout
from gbaseg.stages.augment import planned_copies
from gbaseg.stages.context import recipe, stage, write_json
from gbaseg.stages.pseudo_label import source_range_mm3, volumes_mm3

ABOUT = "models.json"
# Where models lie by what they were trained on and with.
TRAINED = Store(ROOT / "store" / "singan")
_WEIGHTS, _CURVES = "model.safetensors", "curves"


def run() -> None:
    """Run the stage: one model for all cases, or one for each case that is augmented; none for the other arms."""
    settings = params.load()
    asked = {"seed": settings.seed, "augmentation": settings.augmentation.model_dump(exclude={"harmonise", "blend"})}
    inputs = [layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(layout.SURVEY)]
    curves = layout.CURVES / "singan"
    with stage("train_singan", asked, inputs, [layout.SINGAN_MODEL, curves], resumable=True) as scratch:
        folder = scratch.output(layout.SINGAN_MODEL)
        folder.mkdir()
        scratch.output(curves).mkdir()
        if settings.augmentation.arm != "gba":
            write_json(folder / ABOUT, {"arm": settings.augmentation.arm, "models": {}})
            return
        slices = chosen_slices(settings)
        for slice_yx, _ in slices.values():
            pyramid = make_pyramid(
                slice_yx.shape, settings.augmentation.singan.min_size, settings.augmentation.singan.scale_factor
            )
            check_start_scales(settings.augmentation.rules, pyramid.last_scale)
        run_tasks(
            [
                Task(
                    f"SinGAN {name}",
                    train_one,
                    {
                        "slice_yx": slice_yx,
                        "settings": settings,
                        "name": name,
                        "work": scratch.work / name,
                        "path": folder / f"{name}.safetensors",
                        "curves": scratch.output(curves) / name,
                    },
                )
                for name, (slice_yx, _) in slices.items()
            ],
            # A single model has all cores to itself.
            exclusive=choose_device().type == "cuda" or len(slices) == 1,
        )
        # Here, where no other model is under way.
        TRAINED.prune()
        write_json(folder / ABOUT, {"arm": "gba", "models": {name: about for name, (_, about) in slices.items()}})


def train_one(slice_yx: np.ndarray, settings: Params, name: str, work: Path, path: Path, curves: Path) -> None:
    """Write one model's weights and curves, trained now or by an earlier run on the same; may run in a worker."""
    singan, seed, device = settings.augmentation.singan, derive(settings.seed, "singan", name), choose_device()
    k_star = largest_k_star(settings.augmentation.rules)
    # Of the rules only what changes the model: another lambda or another case trains nothing anew.
    used = k_star if singan.pyramid == "used" else None
    content = [slice_yx.shape, slice_yx.astype(np.float32).tobytes().hex()]
    key = key_of("singan", recipe("train_singan"), singan.model_dump(mode="json"), seed, device.type, used, content)
    if TRAINED.find(key) is not None:
        log(f"SinGAN {name}: trained before on this slice with these settings")
    found = TRAINED.get(key, lambda folder: _train(slice_yx, settings, name, seed, k_star, work, folder))
    shutil.copyfile(found / _WEIGHTS, path)
    shutil.copytree(found / _CURVES, curves)


def _train(slice_yx: np.ndarray, settings: Params, name: str, seed: int, k_star: int, work: Path, folder: Path) -> None:
    from gbaseg.augmentation.singan.model import save_singan
    from gbaseg.augmentation.singan.training import train_singan
    from gbaseg.runtime.curves import curves as log_curves

    work.mkdir(parents=True, exist_ok=True)
    with log_curves(work / "live", folder / _CURVES) as live:
        model = train_singan(
            slice_yx,
            settings.augmentation.singan,
            seed,
            choose_device(),
            work,
            k_star=k_star,
            on_scale=lambda report: live.log(
                report.scale,
                {
                    key: asdict(report)[key]
                    for key in ("noise_amplitude", "reconstruction_rmse", "discriminator_loss", "generator_loss")
                },
            ),
            name=f"SinGAN {name}",
        )
    save_singan(model, folder / _WEIGHTS)


def chosen_slices(settings: Params) -> dict[str, tuple[np.ndarray, dict]]:
    """Slices (Y, X) to train on, by model name, and where each is from.

    `shared`: the one real target slice. With `singan.image: pseudo_target`, one a case that any rule selects.
    """
    if settings.augmentation.singan.image == "pseudo_target":
        found: dict[str, tuple[np.ndarray, dict]] = {}
        values = settings.labels
        cases = {case.case: case for case in read_table(layout.TRANSLATED)}
        for copy in planned_copies(settings, layout.TRANSLATED):
            case = cases[copy.case]
            if copy.case not in found:
                mask = volume.read(layout.TRANSLATED / case.label).array == values[copy.structure]
                z = central_tumour_slice(mask)
                image = volume.read(layout.TRANSLATED / case.image, np.float32).array
                found[copy.case] = (image[z], {"case": copy.case, "z": z, "rule": "central tumour slice"})
        if not found:
            raise UserError("augmentation.rules: no rule selects a case, so there is nothing to augment")
        return found
    labels = layout.pseudo_labelled(layout.SURVEY)
    tumour = settings.dataset.tumour
    volumes = volumes_mm3(labels, tumour)
    cases_of_target = select(
        read_table(layout.STANDARD),
        domain="target",
        splits=["train"],
        centre=settings.augmentation.singan.slice_centre,
    )
    if not cases_of_target:
        raise UserError(
            f"augmentation.singan.slice_centre: {settings.augmentation.singan.slice_centre}; "
            "no target case of the split train is of this centre"
        )

    def reader(case: Case) -> Callable[[], tuple[np.ndarray, np.ndarray | None]]:
        def read() -> tuple[np.ndarray, np.ndarray | None]:
            mask = volume.read(labels / "standard" / f"{case.case}.nii.gz").array == settings.labels[tumour]
            return volume.read(layout.STANDARD / case.image, np.float32).array, mask

        return read

    choice = choose_target_slice(
        [Candidate(case.case, volumes[case.case], reader(case)) for case in cases_of_target],
        source_range_mm3(settings.labels[tumour]),
    )
    log(f"SinGAN's slice: {choice.case}, z = {choice.z}, chosen by its {choice.rule}")
    return {"shared": (choice.slice_yx, {"case": choice.case, "z": choice.z, "rule": choice.rule})}
