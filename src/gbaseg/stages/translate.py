"""translate: every source case to a pseudo-target image, deconvolved (METHOD 3 and 4), and checks of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select, write_table
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.patches import sample_patches
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.progress import log
from gbaseg.runtime.seeds import numpy_generator
from gbaseg.runtime.turns import beside_gpu, dealt_out
from gbaseg.stages.train_translation import cases_of_centre
from gbaseg.translation.checks import check_case
from gbaseg.translation.van_cittert import without_effect
from gbaseg.workflow import layout
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.models import Translator

# Few enough to share the work out, enough to pay for loading the generator.
_CASES_A_TASK = 4
_PATCHES, _PATCH_SIZE = 2048, 7
# On [0, 1]: what varies by less shows nothing.
_FLAT = 1e-4


def run() -> None:
    """Run the stage."""
    settings = params.load()
    metrics = layout.METRICS / "translation.json"
    inputs = [layout.STANDARD, layout.TRANSLATION_MODEL]
    with stage("translate", {}, inputs, [layout.TRANSLATED, metrics]) as scratch:
        folder = scratch.output(layout.TRANSLATED)
        cases = read_table(layout.STANDARD)
        source = select(cases, domain="source", splits=["train"])
        patches = real_patches(settings)
        _warn_of_widths(source, settings)
        import_for_workers("gbaseg.translation.translate")
        exclusive = is_gpu()
        chunks = dealt_out(source, _CASES_A_TASK, exclusive)
        checks = run_tasks(
            [
                Task(
                    f"translate from {chunk[0].case}",
                    translate_cases,
                    {"cases": chunk, "folder": folder, "settings": settings, "target_patches": patches},
                )
                for chunk in chunks
            ],
            name="" if exclusive else f"translate ({_CASES_A_TASK} cases a step)",
            exclusive=exclusive,
        )
        write_table([Case(**{**vars(case), "modality": "pseudo-target"}) for case in source], folder)
        write_json(scratch.output(metrics), _means([check for chunk in checks for check in chunk]))


def translate_cases(
    cases: list[Case], folder: Path, settings: Params, target_patches: np.ndarray
) -> list[dict[str, float]]:
    """Translate some cases, write image and label, and check the translation; runs in a worker.

    Raises:
        UserError: an image that comes out constant, or not finite.
    """
    translator, learnt = Translator(settings), chosen(settings.translation).mode == "cyclegan"

    def translate_case(case: Case) -> dict[str, float]:
        scan = volume.read(layout.STANDARD / case.image, np.float32)
        label = volume.read(layout.STANDARD / case.label)
        image, before = translator(scan)
        _check_image(image, scan.array, case.case, learnt=learnt)
        volume.write(scan.with_array(image), folder / case.image)
        volume.write(label, folder / case.label)
        return check_case(
            scan.array,
            before,
            image,
            translator.back(before),
            target_patches,
            scan.grid.spacing_zyx_mm,
            numpy_generator(settings.seed, "checks", case.case),
            tumour=label.array == settings.labels[settings.dataset.tumour],
        )

    return beside_gpu(translate_case, cases, f"translate from {cases[0].case}")


def _warn_of_widths(source: list[Case], settings: Params) -> None:
    """Say which widths of the deconvolution do nothing on the grid, which all standard images share."""
    if not source or chosen(settings.translation).mode != "cyclegan":
        return
    spacing_zyx_mm = volume.read_grid(layout.STANDARD / source[0].image).spacing_zyx_mm
    for line in without_effect(spacing_zyx_mm, settings.translation.van_cittert):
        log(f"WARNING: {line}")


def _check_image(image: np.ndarray, scan: np.ndarray, name: str, *, learnt: bool = True) -> None:
    """An image that shows nothing is a fault: later stages would train on it.

    Args:
        image: translated, (Z, Y, X) in [0, 1].
        scan: what it was made from.
        learnt: by a network, which may be trained otherwise.

    Raises:
        UserError: it is not finite, or the same all over where the scan is not.
    """
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        fault = "is not finite (NaN or infinite)"
    elif high - low < _FLAT <= float(np.ptp(scan)):
        fault = f"is {low:.4g} all over"
    else:
        return
    better = "change translation.cyclegan in params.yaml (a lower learning_rate, or more epochs), or " if learnt else ""
    raise UserError(
        f"{name}: its translated image {fault}; {layout.TRANSLATION_MODEL} is unfit for use: {better}set "
        "translation.mode to none"
    )


def real_patches(settings: Params) -> np.ndarray:
    """Patches (n, size * size) of the real target, an equal share from every training case of the centre.

    Raises:
        UserError: the centre has none.
    """
    cases = cases_of_centre("target", settings.translation.centre)
    rng = numpy_generator(settings.seed, "checks", "target")
    share = -(-_PATCHES // len(cases))
    return np.concatenate(
        [
            sample_patches(volume.read(layout.STANDARD / case.image, np.float32).array, _PATCH_SIZE, share, rng)
            for case in cases
        ]
    )[:_PATCHES]


def _means(reports: list[dict[str, float]]) -> dict[str, Any]:
    """Mean of each check over the cases where it is defined."""
    out: dict[str, Any] = {}
    for key in reports[0]:
        finite = [report[key] for report in reports if np.isfinite(report[key])]
        out[key] = round(float(np.mean(finite)), 4) if finite else None
    return out
