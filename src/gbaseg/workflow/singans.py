"""SinGANs of a run: the slices that they are trained on, and a training that is not repeated (METHOD 5)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gbaseg import volume
from gbaseg.augmentation.rules import check_start_scales, select_cases
from gbaseg.augmentation.settings import Rule, largest_k_star, structures
from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.augmentation.singan.slices import Candidate, central_tumour_slice, choose_target_slice
from gbaseg.cases import read_table, select
from gbaseg.errors import UserError, some_of
from gbaseg.params import Params
from gbaseg.runtime.device import choose_device, is_gpu
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import ROOT
from gbaseg.runtime.seeds import derive
from gbaseg.runtime.store import Store, key_of
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import measured_source
from gbaseg.workflow.context import read_json, recipe
from gbaseg.workflow.pseudo_labels import source_range_mm3
from gbaseg.workflow.reviewed import Labelled, labelled_targets, read_review, tumour_volumes_mm3

ABOUT = "models.json"
# The one that blends all cases' copies, where not each case has its own.
SHARED = "shared"
# Where models lie by what they were trained on and with.
TRAINED = Store(ROOT / "store" / "singan")
_WEIGHTS, _CURVES = "model.safetensors", "curves"
# Of a tumour's largest area in a slice, what one has to show of it.
_OF_LARGEST_AREA = 0.5


class Chosen(NamedTuple):
    """A slice (Y, X) to train on, and where it is from."""

    slice_yx: np.ndarray
    about: dict[str, Any]


def chosen_slices(settings: Params) -> dict[str, Chosen]:
    """Slices to train on, by model name.

    `shared`: the one real target slice. With `singan.image: pseudo_target`, one a case that any rule selects.

    Raises:
        UserError: see `target_slice`; or no rule selects a case.
    """
    if settings.augmentation.singan.image == "target_slice":
        return {SHARED: target_slice(settings, layout.SURVEY)}
    found: dict[str, Chosen] = {}
    cases = {case.case: case for case in read_table(layout.TRANSLATED)}
    rules = settings.augmentation.rules
    measurements = measured_source(settings, structures(rules))
    for rule in rules:
        for name in select_cases(rule, measurements):
            if name not in found:
                case = cases[name]
                mask = volume.read(layout.TRANSLATED / case.label).array == settings.labels[rule.structure]
                z = central_tumour_slice(mask)
                image = volume.read(layout.TRANSLATED / case.image, np.float32).array
                found[name] = Chosen(image[z], {"case": name, "z": z, "rule": "central tumour slice"})
    if not found:
        raise UserError("augmentation.rules: no rule selects a case, so there is nothing to augment")
    return found


def target_slice(settings: Params, round_id: str) -> Chosen:
    """The real target slice, chosen by a round's pseudo-labels (or the survey's).

    Raises:
        UserError: no training case of the target is of the centre that was asked for, or a person rejected them all.
    """
    labelled, centre = labelled_targets(read_review(round_id)), settings.augmentation.singan.slice_centre
    volumes = tumour_volumes_mm3(settings, labelled, round_id)
    chosen = {case.case for case in select([one.case for one in labelled], centre=centre)}
    candidates = [one for one in labelled if one.case.case in chosen]
    if not candidates:
        raise UserError(
            f"augmentation.singan.slice_centre: {centre}; no target case of the split train is of this centre, or all "
            f"of them were rejected ({layout.REVIEW})"
        )

    def reader(one: Labelled) -> Callable[[], tuple[np.ndarray, np.ndarray | None]]:
        def read() -> tuple[np.ndarray, np.ndarray | None]:
            return volume.read(layout.STANDARD / one.case.image, np.float32).array, _tumour(settings, one)

        return read

    choice = choose_target_slice(
        [Candidate(one.case.case, volumes[one.case.case], reader(one)) for one in candidates],
        source_range_mm3(settings.labels[settings.dataset.tumour]),
    )
    log(f"SinGAN's slice: {choice.case}, z = {choice.z}, chosen by its {choice.rule}")
    return Chosen(choice.slice_yx, {"case": choice.case, "z": choice.z, "rule": choice.rule})


def still_shows_a_tumour(settings: Params, about: Mapping[str, Any], round_id: str) -> bool:
    """Whether a slice that was chosen by its tumour cuts through one by a round's pseudo-labels, and not at its tip."""
    labelled = {one.case.case: one for one in labelled_targets(read_review(round_id))}
    one = labelled.get(about["case"])  # none of a case that was rejected
    if about["rule"] != "tumour" or one is None or settings.dataset.tumour in one.doubtful:
        return False
    areas = np.count_nonzero(_tumour(settings, one), axis=(1, 2))
    return bool(areas.any()) and areas[about["z"]] >= _OF_LARGEST_AREA * areas.max()


def _tumour(settings: Params, one: Labelled) -> np.ndarray:
    return volume.read(one.mask).array == settings.labels[settings.dataset.tumour]


def singan_of(rule: Rule, round_id: str) -> Path:
    """Folder of the models that blend a rule's copies in; of one that names factors and adapts too, those by hand."""
    refreshed = layout.singan_of_round(round_id)
    of_round = not rule.lambdas and read_json(refreshed / ABOUT, "models")["models"]
    return refreshed if of_round else layout.SINGAN_MODEL


def train_all(slices: Mapping[str, Chosen], settings: Params, work: Path, folder: Path, curves: Path) -> int:
    """Write models' weights and curves, trained now or by an earlier run on the same.

    Args:
        slices: by model name.
        settings: all.
        work: for what a later call goes on from.
        folder, curves: where a model's weights and its folder of curves are put.

    Returns:
        How many were trained now.

    Raises:
        UserError: a rule's start scale is below the coarsest of a slice.
    """
    for slice_yx, _ in slices.values():
        singan = settings.augmentation.singan
        pyramid = make_pyramid(slice_yx.shape, singan.min_size, singan.scale_factor)
        check_start_scales(settings.augmentation.rules, pyramid.last_scale)
    banks = banks_of(
        {name: chosen.slice_yx for name, chosen in slices.items()}, settings.augmentation.singan.models_at_once
    )
    trained = run_tasks(
        [
            Task(
                f"SinGAN {', '.join(bank)}",
                train,
                {"slices": bank, "settings": settings, "work": work},
            )
            for bank in banks
        ],
        # A single bank has all cores to itself.
        exclusive=is_gpu() or len(banks) == 1,
        lasting=True,
    )
    for name, key in (pair for keys, _ in trained for pair in keys.items()):
        found = TRAINED.find(key)
        if found is None:
            raise UserError(f"SinGAN {name}: gone from {TRAINED.folder} meanwhile; the same command trains it again")
        shutil.copyfile(found / _WEIGHTS, folder / f"{name}.safetensors")
        shutil.copytree(found / _CURVES, curves / name)
    # Here, where no other model is under way.
    TRAINED.prune()
    return sum(count for _, count in trained)


def banks_of(slices: Mapping[str, np.ndarray], at_once: int) -> list[dict[str, np.ndarray]]:
    """Slices of one shape together, at most `at_once`."""
    shapes = {image.shape: None for image in slices.values()}
    alike = [[name for name, image in slices.items() if image.shape == shape] for shape in shapes]
    return [
        {name: slices[name] for name in names[start : start + at_once]}
        for names in alike
        for start in range(0, len(names), at_once)
    ]


def train(slices: Mapping[str, np.ndarray], settings: Params, work: Path) -> tuple[dict[str, str], int]:
    """Train what the store does not have; may run in a worker.

    Args:
        slices: (Y, X), of one shape, by model name.
        settings: all.
        work: for what a later call goes on from.

    Returns:
        Each model's key in the store, and how many were trained now.
    """
    keys = {name: _key(name, slice_yx, settings) for name, slice_yx in slices.items()}

    missing = {}
    for name, slice_yx in slices.items():
        if TRAINED.find(keys[name]) is not None:
            log(f"SinGAN {name}: trained before on this slice with these settings")
        else:
            missing[name] = slice_yx
    if missing:
        _train(missing, settings, work, keys)
    return keys, len(missing)


def _seed(name: str, settings: Params) -> int:
    return derive(settings.seed, "singan", name)


def numbers(settings: Params) -> dict[str, Any]:
    """Of the SinGAN, what changes it; models beside it change a model's rounding alone."""
    return settings.augmentation.singan.model_dump(mode="json", exclude={"models_at_once"})


def _key(name: str, slice_yx: np.ndarray, settings: Params) -> str:
    # Of the rules only what changes the model: another lambda or another case trains nothing anew.
    used = largest_k_star(settings.augmentation.rules) if settings.augmentation.singan.pyramid == "used" else None
    content = [slice_yx.shape, slice_yx.astype(np.float32).tobytes().hex()]
    return key_of(
        "singan", recipe("train_singan"), numbers(settings), _seed(name, settings), choose_device().type, used, content
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
            name=f"SinGAN {some_of(names, 1)}",
        )
        for name, model in zip(names, models, strict=True):
            save_singan(model, stored[name] / _WEIGHTS)
