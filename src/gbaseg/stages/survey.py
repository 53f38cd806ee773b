"""survey: one fold trained without GBA. Its pseudo-labels of the target choose SinGAN's slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

from gbaseg import params, volume
from gbaseg.augmentation.adaptive import evenly
from gbaseg.augmentation.gba import apply_naive
from gbaseg.cases import Case, read_table
from gbaseg.params import Params
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.segmentation.dataset import TrainingItem
from gbaseg.segmentation.training import IMPORTED
from gbaseg.stages.train_segmentation import about_model, randomised_in, train
from gbaseg.standardise.settings import ForegroundKind
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import measure_all
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.verdict import Verdict


def run() -> None:
    """Run the stage."""
    settings = params.load()
    model, curves = layout.model_of(layout.SURVEY), layout.CURVES / layout.SURVEY
    go_on = layout.decision(layout.SURVEY)
    asked = {
        "seed": settings.seed,
        "survey": settings.survey.model_dump(),
        "randomised": randomised_in(settings),
        # What a round alone has is no matter: the survey is one fold from scratch, with epochs of its own.
        "segmentation": settings.segmentation.model_dump(
            exclude={"prediction", "epochs", "last_round_epochs", "start"}
        ),
        "spacing": settings.standardise.spacing_xyz_mm,
        "structures": settings.labels,
    }
    inputs = [layout.STANDARD, layout.TRANSLATED]
    with stage("survey", asked, inputs, [model, curves, go_on], resumable=True) as scratch:
        import_for_workers(*IMPORTED)
        items = survey_items(
            settings,
            read_table(layout.TRANSLATED),
            layout.TRANSLATED,
            scratch.work / "copies",
            randomised_in(settings),
        )
        train(
            settings,
            items,
            scratch.work,
            scratch.output(model),
            scratch.output(curves),
            folds=range(1),
            epochs=settings.survey.epochs,
            name=layout.SURVEY,
            fine=False,
            previous=None,
        )
        about = about_model(settings, layout.SURVEY, fine=False, work=scratch.work)
        write_json(scratch.output(model) / layout.ROUND, about)
        Verdict().write(scratch.output(go_on))


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
