"""choose_translation: the translation that params.yaml names, or in mode auto the one that serves the target best.

Each candidate gets short trainings as the survey's, of several seeds; `self_training.label_free` ranks them by what
they find in the target's training cases. No label of the target is read (METHOD 3).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, read_table, select
from gbaseg.params import Params
from gbaseg.runtime.device import is_gpu
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.leftovers import discard
from gbaseg.runtime.progress import log
from gbaseg.runtime.seeds import numpy_generator
from gbaseg.runtime.turns import beside_gpu, dealt_out
from gbaseg.segmentation.prediction import PredictionItem, predict
from gbaseg.self_training.label_free import Disturbance, Found, Rated, best, is_ranked, rate, simplest, told_apart
from gbaseg.translation.settings import UNTRANSLATED
from gbaseg.workflow import layout
from gbaseg.workflow.choice import Translation, candidates
from gbaseg.workflow.context import read_json, stage, write_json
from gbaseg.workflow.models import Translator
from gbaseg.workflow.pseudo_labels import source_ranges_mm3, training_cases
from gbaseg.workflow.survey_set import survey_items
from gbaseg.workflow.training import train

_CASES_A_TASK = 4
_DONE, _TRAINED = "rated.json", "trained.json"


def run() -> None:
    """Run the stage."""
    settings = params.load()
    auto = settings.translation.mode == "auto"
    asked: dict[str, Any] = {"mode": settings.translation.mode, "run": settings.translation.run}
    if auto:
        asked |= {
            "seed": settings.seed,
            "auto": settings.translation.auto.model_dump(),
            "van_cittert": settings.translation.van_cittert.model_dump(),
            "survey": settings.survey.model_dump(exclude={"epochs"}),
            "foreground": settings.standardise.foreground,
            "segmentation": settings.segmentation.model_dump(exclude={"epochs", "last_round_epochs", "start"}),
            "spacing": settings.standardise.spacing_xyz_mm,
            "structures": settings.labels,
            "pieces": settings.pieces,
        }
    inputs = [layout.STANDARD, layout.TRANSLATION_MODEL]
    with stage("choose_translation", asked, inputs, [layout.CHOICE, layout.CHOICE_METRICS], resumable=True) as scratch:
        offered = {one.name: one for one in candidates(settings.translation)}
        rated: dict[str, Rated] = {}
        found: dict[str, Any] = {}
        if auto:
            seconds = {}
            for name, one in offered.items():
                rated[name], seconds[name] = rate_once(settings, one, scratch.work)
            name = simplest(rated)
            found = summary(rated, seconds, name)
            log(f"translation: {name}, {found['why']}")
        else:
            [name] = offered
            scratch.found_done.append("not asked for")
        write_json(scratch.output(layout.CHOICE), offered[name].written())
        write_json(scratch.output(layout.CHOICE_METRICS), found)


def rate_once(settings: Params, one: Translation, work: Path) -> tuple[Rated, float]:
    """A candidate, rated now or by a run that was broken off later; and the seconds that it took."""
    folder = work / one.name
    done = folder / _DONE
    if not done.is_file():
        started = time.monotonic()
        rated = rate_candidate(settings, one, folder)
        write_json(done, {"rated": asdict(rated), "seconds": round(time.monotonic() - started, 1)})
        # Of each candidate several trainings' worth of images and weights.
        for child in folder.iterdir():
            if child != done:
                discard(child)
    noted = read_json(done, "rated", "seconds")
    rated = Rated(**{**noted["rated"], "by_case": tuple(noted["rated"]["by_case"])})
    log(f"{one.name}: score {rated.score:.3f} ({_in_words(rated)})")
    return rated, noted["seconds"]


def rate_candidate(settings: Params, one: Translation, work: Path) -> Rated:
    """Train a short segmentation a seed on a candidate's images, and rate what they find in the target."""
    target = training_cases()
    rng = {case.case: numpy_generator(settings.seed, "disturb", case.case) for case in target}
    disturbances = {name: Disturbance.draw(of_case) for name, of_case in rng.items()}
    plain = {case.case: layout.STANDARD / case.image for case in target}
    disturbed = {name: work / "disturbed" / f"{name}.nii.gz" for name in plain}
    for name, path in disturbed.items():
        scan = volume.read(plain[name], np.float32)
        volume.write(scan.with_array(disturbances[name].of_image(scan.array)), path)
    models = train_seeds(settings, one, work)
    masks = {
        kind: [segment(settings, model, images, model.parent / kind, one.name) for model in models]
        for kind, images in (("plain", plain), ("disturbed", disturbed))
    }
    ranges = source_ranges_mm3(settings)

    def look() -> Iterator[Found]:
        for name, disturbance in disturbances.items():
            of_plain, of_disturbed = ([volume.read(of_seed[name]) for of_seed in masks[kind]] for kind in masks)
            undone = [disturbance.undone(mask.array) for mask in of_disturbed]
            yield Found([mask.array for mask in of_plain], undone, of_plain[0].grid.voxel_mm3)

    return rate(look(), {value: ranges[name] for name, value in settings.labels.items()})


def train_seeds(settings: Params, one: Translation, work: Path) -> list[Path]:
    """Folders of a candidate's short trainings, one a seed."""
    source = select(read_table(layout.STANDARD), domain="source", splits=["train"])
    images = layout.STANDARD
    if one.mode not in UNTRANSLATED:
        images = work / "images"
        translate_all(settings, one, source, images)
    randomised = settings.standardise.foreground if one.mode == "randomise" else None
    items = survey_items(settings, source, images, work / "copies", randomised)
    models = [work / str(seed) / "model" for seed in range(1, settings.translation.auto.seeds + 1)]
    for seed, model in enumerate(models, start=1):
        curves, trained = model.parent / "curves", model.parent / _TRAINED
        if not trained.is_file():
            for torn in (model, curves):
                discard(torn)
            train(
                settings,
                items,
                model.parent / "work",
                model,
                curves,
                folds=range(1),
                epochs=settings.translation.auto.epochs,
                name=f"{one.name}, seed {seed}",
                fine=False,
                previous=None,
            )
            write_json(trained, {})
    return models


def translate_all(settings: Params, one: Translation, source: Sequence[Case], folder: Path) -> None:
    """Write a candidate's pseudo-target images, and their labels beside them."""
    exclusive = is_gpu()
    run_tasks(
        [
            Task(
                f"translate from {chunk[0].case}",
                translate_some,
                {"settings": settings, "one": one, "cases": chunk, "folder": folder},
            )
            for chunk in dealt_out(source, _CASES_A_TASK, exclusive)
        ],
        name="" if exclusive else f"{one.name}: translate ({_CASES_A_TASK} cases a step)",
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


def segment(settings: Params, model: Path, images: Mapping[str, Path], folder: Path, called: str) -> dict[str, Path]:
    """Masks of some images by a model: case -> file."""
    items = [
        PredictionItem(name, image, folder / f"{name}.nii.gz", folder / "probabilities" / f"{name}.npy")
        for name, image in images.items()
    ]
    predict(model, items, settings.pieces, settings.segmentation.prediction, called)
    discard(folder / "probabilities")  # two bytes a voxel and structure, and no use here
    return {item.name: item.mask for item in items}


def summary(rated: Mapping[str, Rated], seconds: Mapping[str, float], name: str) -> dict[str, Any]:
    """The choice, its evidence, its cost, and how far it is to be trusted."""
    top = best(rated)
    worse = told_apart(rated, top)
    alike = [other for other in rated if other not in (top, *worse)]
    ranked = is_ranked(rated.values())
    if not ranked:
        why = "WARNING: no candidate finds anything in the target; the first is as good as any"
    elif not alike:
        why = "better than every other by more than its cases' chance"
    else:
        others = ", ".join(other for other in (top, *alike) if other != name)
        place = "the best" if name == top else "the simplest"
        why = f"WARNING: {place}, not told apart from {others} by its cases (less than two standard errors)"
    return {
        "chosen": name,
        "trusted": ranked and not alike,
        "why": why,
        "seconds": round(sum(seconds.values()), 1),
        "candidates": {
            other: {
                "score": round(one.score, 4),
                "agreement": None if one.agreement is None else round(one.agreement, 4),
                "consistency": None if one.consistency is None else round(one.consistency, 4),
                "plausible": round(one.plausible, 4),
                "seconds": seconds[other],
            }
            for other, one in rated.items()
        },
    }


def _in_words(rated: Rated) -> str:
    def number(value: float | None) -> str:
        return "none" if value is None else f"{value:.3f}"

    return (
        f"seeds agree {number(rated.agreement)}, the same when disturbed {number(rated.consistency)}, "
        f"plausible volumes {rated.plausible:.0%}"
    )
