"""Candidates of a choice of the translation, tried: short trainings of each, and what they find in the target.

All trainings are one list of tasks, and all that is looked at afterwards another: they do not need each other, and a
process that has loaded its libraries and its GPU goes from one to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gbaseg import volume
from gbaseg.cases import Case, read_table, select
from gbaseg.params import Params
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.runtime.seeds import numpy_generator
from gbaseg.runtime.turns import beside_gpu, dealt_out
from gbaseg.segmentation.decision import decide
from gbaseg.segmentation.ensemble import IMPORTED, Ensemble
from gbaseg.segmentation.training import Training, train_side_by_side
from gbaseg.self_training.label_free import Disturbance, Found, Rated, Seen, look_at, rate
from gbaseg.translation.settings import UNTRANSLATED
from gbaseg.workflow import layout
from gbaseg.workflow.choice import Translation
from gbaseg.workflow.models import Translator
from gbaseg.workflow.pseudo_labels import source_ranges_mm3, training_cases
from gbaseg.workflow.survey_set import survey_items
from gbaseg.workflow.training import prepare_training

_CASES_A_TASK = 4


def rate_all(settings: Params, candidates: Sequence[Translation], work: Path) -> dict[str, Rated]:
    """Each candidate, rated by what the networks of its short trainings find in the target's training cases.

    Args:
        work: what is trained stays here, so that a rerun goes on from it.
    """
    trainings = train_all(settings, candidates, work)
    seen = look(settings, {one.name: training.model for one, training in zip(candidates, trainings, strict=True)})
    return {name: rate(cases) for name, cases in seen.items()}


def train_all(settings: Params, candidates: Sequence[Translation], work: Path) -> list[Training]:
    """Trained networks of each candidate, one a seed."""
    source = select(read_table(layout.STANDARD), domain="source", splits=["train"])
    images = {one.name: work / one.name / "images" for one in candidates if one.mode not in UNTRANSLATED}
    translate_all(settings, [one for one in candidates if one.name in images], source, images)
    trainings = []
    for one in candidates:
        folder = work / one.name
        randomised = settings.standardise.foreground if one.mode == "randomise" else None
        items = survey_items(
            settings, source, images.get(one.name, layout.STANDARD), folder / "copies", randomised=randomised
        )
        trainings.append(
            prepare_training(
                settings,
                items,
                folder,
                folds=range(1),
                members=settings.translation.auto.seeds,
                epochs=settings.translation.auto.epochs,
                name=one.name,
                fine=False,
                previous=None,
            )
        )
    train_side_by_side(trainings)
    return trainings


def translate_all(
    settings: Params, candidates: Sequence[Translation], source: Sequence[Case], folders: Mapping[str, Path]
) -> None:
    """Write the candidates' pseudo-target images, each into its folder, and their labels beside them."""
    exclusive = is_gpu()
    run_tasks(
        [
            Task(
                f"{one.name}: translate from {chunk[0].case}",
                translate_some,
                {"settings": settings, "one": one, "cases": chunk, "folder": folders[one.name]},
            )
            for one in candidates
            for chunk in dealt_out(source, _CASES_A_TASK, exclusive)
        ],
        name="" if exclusive else f"translate ({_CASES_A_TASK} cases a step)",
        exclusive=exclusive,
    )


def translate_some(settings: Params, one: Translation, cases: Sequence[Case], folder: Path) -> None:
    """Of `translate_all`; runs in a worker."""
    translator = Translator(settings, one.folder)

    def translate(case: Case) -> None:
        scan = volume.read(layout.STANDARD / case.image, np.float32)
        volume.write(scan.with_array(translator(scan)[0]), folder / case.image)
        volume.write(volume.read(layout.STANDARD / case.label), folder / case.label)

    beside_gpu(translate, cases, f"{one.name}: translate from {cases[0].case}")


def look(settings: Params, models: Mapping[str, Path]) -> dict[str, list[Seen]]:
    """What each candidate's networks find in every training case of the target, as it is and disturbed."""
    import_for_workers(*IMPORTED)
    exclusive = is_gpu()
    ranges = source_ranges_mm3(settings)
    by_value = {value: ranges[name] for name, value in settings.labels.items()}
    groups = dealt_out(training_cases(), _CASES_A_TASK, exclusive)
    results = run_tasks(
        [
            Task(
                f"{name}: look from {cases[0].case}",
                look_at_some,
                {"settings": settings, "model": model, "cases": cases, "ranges_mm3": by_value, "name": name},
            )
            for name, model in models.items()
            for cases in groups
        ],
        name="" if exclusive else f"what they find ({_CASES_A_TASK} cases a step)",
        exclusive=exclusive,
    )
    each = iter(results)
    return {name: [seen for _ in groups for seen in next(each)] for name in models}


def look_at_some(
    settings: Params, model: Path, cases: Sequence[Case], ranges_mm3: Mapping[int, tuple[float, float]], name: str
) -> list[Seen]:
    """Of `look`; runs in a worker."""
    ensemble = Ensemble(model, settings.segmentation.prediction)

    def masks(case: Case, scan: volume.Volume) -> list[np.ndarray]:
        """Of each network by itself."""
        return [
            decide(of_one[None], settings.pieces, settings.segmentation.prediction, case.case, scan.grid.voxel_mm3).mask
            for of_one in ensemble.fold_probabilities(scan)
        ]

    def see(case: Case) -> Seen:
        scan = volume.read(layout.STANDARD / case.image, np.float32)
        disturbance = Disturbance.draw(numpy_generator(settings.seed, "disturb", case.case))
        disturbed = masks(case, scan.with_array(disturbance.of_image(scan.array)))
        undone = [disturbance.undone(mask) for mask in disturbed]
        return look_at(Found(masks(case, scan), undone, scan.grid.voxel_mm3), ranges_mm3)

    return beside_gpu(see, cases, f"{name}: look from {cases[0].case}")
