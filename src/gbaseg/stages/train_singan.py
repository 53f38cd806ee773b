"""train_singan: the SinGAN that blends rescaled tumours in, trained on a single slice (METHOD 5)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.augmentation.rules import check_start_scales
from gbaseg.augmentation.settings import largest_k_star
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
from gbaseg.runtime.threads import mixed_computing
from gbaseg.stages.augment import planned_copies
from gbaseg.stages.pseudo_label import source_range_mm3
from gbaseg.workflow import layout
from gbaseg.workflow.context import recipe, stage, write_json
from gbaseg.workflow.foresight import check_ahead
from gbaseg.workflow.pseudo_labels import volumes_mm3

ABOUT = "models.json"
# Where models lie by what they were trained on and with.
TRAINED = Store(ROOT / "store" / "singan")
_WEIGHTS, _CURVES = "model.safetensors", "curves"


def run() -> None:
    """Run the stage: one model for all cases, or one for each case that is augmented; none for the other arms."""
    settings = params.load()
    asked = what_matters(settings)
    inputs = [layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(layout.SURVEY)]
    curves = layout.CURVES / "singan"
    with stage("train_singan", asked, inputs, [layout.SINGAN_MODEL, curves], resumable=True) as scratch:
        check_ahead(settings, read_table(layout.STANDARD))  # rules may have changed since the translation
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
        at_once = settings.augmentation.singan.models_at_once
        banks = banks_of({name: slice_yx for name, (slice_yx, _) in slices.items()}, at_once)
        trained = run_tasks(
            [
                Task(
                    f"SinGAN {', '.join(bank)}",
                    train,
                    {
                        "slices": bank,
                        "settings": settings,
                        "work": scratch.work,
                        "folder": folder,
                        "curves": scratch.output(curves),
                    },
                )
                for bank in banks
            ],
            # A single bank has all cores to itself.
            exclusive=choose_device().type == "cuda" or len(banks) == 1,
        )
        if sum(trained) < len(slices):
            scratch.found_done.append("trained before")
        # Here, where no other model is under way.
        TRAINED.prune()
        write_json(
            folder / ABOUT,
            {
                "arm": "gba",
                "models": {name: about for name, (_, about) in slices.items()},
                **mixed_computing(scratch.work),
            },
        )


def what_matters(settings: Params) -> dict[str, Any]:
    """What a training that was broken off is found again by.

    Not by `models_at_once`: whoever ran out of memory lowers it and goes on.
    """
    augmentation = settings.augmentation.model_dump(exclude={"harmonise", "blend", "singan"})
    return {"seed": settings.seed, "augmentation": augmentation, "singan": _numbers(settings)}


def banks_of(slices: Mapping[str, np.ndarray], at_once: int) -> list[dict[str, np.ndarray]]:
    """Slices of one shape together, at most `at_once`."""
    shapes = {image.shape: None for image in slices.values()}
    alike = [[name for name, image in slices.items() if image.shape == shape] for shape in shapes]
    return [
        {name: slices[name] for name in names[start : start + at_once]}
        for names in alike
        for start in range(0, len(names), at_once)
    ]


def train(slices: Mapping[str, np.ndarray], settings: Params, work: Path, folder: Path, curves: Path) -> int:
    """Write models' weights and curves, trained now or by an earlier run on the same; may run in a worker.

    Args:
        slices: (Y, X), of one shape, by model name.
        settings: all.
        work: for what a later call goes on from.
        folder, curves: where a model's weights and its folder of curves are put.

    Returns:
        How many were trained now.
    """
    keys = {name: _key(name, slice_yx, settings) for name, slice_yx in slices.items()}

    def take(name: str) -> bool:
        found = TRAINED.find(keys[name])
        if found is not None:
            shutil.copyfile(found / _WEIGHTS, folder / f"{name}.safetensors")
            shutil.copytree(found / _CURVES, curves / name)
        return found is not None

    missing = {}
    for name, slice_yx in slices.items():
        if take(name):
            log(f"SinGAN {name}: trained before on this slice with these settings")
        else:
            missing[name] = slice_yx
    if missing:
        _train(missing, settings, work, keys)
    for name in missing:
        take(name)
    return len(missing)


def _seed(name: str, settings: Params) -> int:
    return derive(settings.seed, "singan", name)


def _numbers(settings: Params) -> dict[str, Any]:
    # Models beside it change a model's rounding alone.
    return settings.augmentation.singan.model_dump(mode="json", exclude={"models_at_once"})


def _key(name: str, slice_yx: np.ndarray, settings: Params) -> str:
    # Of the rules only what changes the model: another lambda or another case trains nothing anew.
    used = largest_k_star(settings.augmentation.rules) if settings.augmentation.singan.pyramid == "used" else None
    content = [slice_yx.shape, slice_yx.astype(np.float32).tobytes().hex()]
    return key_of(
        "singan", recipe("train_singan"), _numbers(settings), _seed(name, settings), choose_device().type, used, content
    )


def _train(slices: Mapping[str, np.ndarray], settings: Params, work: Path, keys: Mapping[str, str]) -> None:
    from gbaseg.augmentation.singan.model import save_singan
    from gbaseg.augmentation.singan.training import ScaleReport, Wanted, train_bank
    from gbaseg.runtime.curves import curves as log_curves

    names = list(slices)
    for name in names:
        (work / name).mkdir(parents=True, exist_ok=True)
    with ExitStack() as open_until_done:
        stored = {name: open_until_done.enter_context(TRAINED.add(keys[name])) for name in names}
        live = [
            open_until_done.enter_context(log_curves(work / name / "live", stored[name] / _CURVES)) for name in names
        ]

        def told(place: int, report: ScaleReport) -> None:
            live[place].log(
                report.scale,
                {
                    key: asdict(report)[key]
                    for key in ("noise_amplitude", "reconstruction_rmse", "discriminator_loss", "generator_loss")
                },
            )

        models = train_bank(
            [Wanted(slice_yx, _seed(name, settings), work / name) for name, slice_yx in slices.items()],
            settings.augmentation.singan,
            choose_device(),
            k_star=largest_k_star(settings.augmentation.rules),
            on_scale=told,
            name=f"SinGAN {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
        )
        for name, model in zip(names, models, strict=True):
            save_singan(model, stored[name] / _WEIGHTS)


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
