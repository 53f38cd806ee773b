"""What a first pass over the target is trained on: the source, translated or not, with other contrasts where asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from gbaseg import volume
from gbaseg.augmentation.adaptive import evenly
from gbaseg.augmentation.gba import apply_naive
from gbaseg.cases import Case
from gbaseg.params import Params
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.segmentation.dataset import TrainingItem
from gbaseg.standardise.settings import ForegroundKind
from gbaseg.workflow.appearances import measure_all


def survey_items(
    settings: Params, cases: Sequence[Case], images: Path, copies: Path, randomised: ForegroundKind | None
) -> list[TrainingItem]:
    """Source cases, and naive copies of each: one for every structure and factor of `survey.lambdas`; with
    `survey.contrasts` what may be done to a case whenever it is drawn.

    Args:
        settings: of the run.
        cases: of the source.
        images: folder of their images, translated or not, and their labels.
        copies: folder to write those to.
        randomised: see `TrainingItem`.
    """
    ways = _contrasts(settings, cases, images) if settings.survey.contrasts else {}
    items = [
        TrainingItem(
            case.case, case.patient, images / case.image, images / case.label, rescaled=ways.get(case.case, ())
        )
        for case in cases
    ]
    if lambdas := list(settings.survey.lambdas):
        groups = run_tasks(
            [
                Task(
                    f"copies of {case.case}",
                    write_copies,
                    {
                        "case": case,
                        "images": images,
                        "values": list(settings.labels.values()),
                        "factors": lambdas,
                        "folder": copies,
                    },
                )
                for case in cases
            ],
            name="naive copies for the survey",
            light=True,
        )
        items += [item for group in groups for item in group]
    return [replace(item, randomised=randomised) for item in items]


def _contrasts(
    settings: Params, cases: Sequence[Case], images: Path
) -> dict[str, tuple[tuple[int, float, float], ...]]:
    """Case -> (label value, factor, offset) of each contrast that each of its structures may be given."""
    survey = settings.survey
    measured = measure_all(settings, [(images / case.image, images / case.label) for case in cases])
    return {
        case.case: tuple(
            (value, *change)
            for name, value in settings.labels.items()
            for change in evenly(seen[name], survey.contrasts, survey.contrast_within)
        )
        for case, seen in zip(cases, measured, strict=True)
    }


def write_copies(case: Case, images: Path, values: list[int], factors: list[float], folder: Path) -> list[TrainingItem]:
    """Naive copies of one case, in each one structure (label value) rescaled that it has; runs in a worker."""
    image = volume.read(images / case.image, np.float32)
    label = volume.read(images / case.label).array
    items = []
    for value, factor in product([value for value in values if (label == value).any()], factors):
        name = f"{case.case}_survey_{value}_l{factor:g}"
        path = folder / f"{name}.nii.gz"
        volume.write(image.with_array(apply_naive(image.array, label == value, factor)), path)
        items.append(TrainingItem(name, case.patient, path, images / case.label))
    return items
