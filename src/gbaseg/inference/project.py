"""The model of a project's round, as its stages left it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gbaseg.errors import UserError
from gbaseg.inference.model import Described, Model
from gbaseg.inference.words import words_of
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.segmentation.ensemble import Ensemble, fold_file
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json
from gbaseg.workflow.sizes import read_ends

# What `Ensemble` and this room read of a model's folder, besides the folds.
_PARTS = ("plans.json", "dataset.json", layout.ROUND)
# What was done before there was a setting for it, which round.json does not name then.
_BEFORE = {"slices": "axial"}


def describe_round(folder: Path, round_id: str, settings: Params) -> Described:
    """The model in `models/segmentation/ROUND`, used with the settings of its project.

    Raises:
        UserError: what the model says of its scans cannot be.
    """
    settings, missing = _with_ends(as_trained(folder, settings), folder, round_id)
    of = settings.segmentation
    folds, members = (1, 1) if round_id == layout.SURVEY else (of.folds, of.members)
    faults = (*_missing(folder, folds, members), *missing)
    return Described(round_id, settings, faults, partial(_load, folder, round_id, settings))


def _missing(model: Path, folds: int, members: int) -> Iterator[str]:
    parts = [*_PARTS, *(fold_file(fold, member) for fold in range(folds) for member in range(members))]
    missing = [part for part in parts if not (model / part).is_file()]
    if missing:
        what = "model" if len(missing) == len(parts) else ", ".join(missing)
        yield f"{model}: no {what}; run `dvc repro train_segmentation`, or `dvc checkout` for one made before"


def _with_ends(settings: Params, folder: Path, round_id: str) -> tuple[Params, list[str]]:
    """The settings, with where the round's masks end where that was found in the round; faults: that is not known."""
    if settings.segmentation.prediction.ends != "source_volumes":
        return settings, []
    project = folder.resolve().parents[len(layout.SEGMENTATION_MODEL.parts)]
    ends, path = read_ends(round_id, project)
    if ends is None:
        return settings, [f"{path}: does not say where masks end; run `dvc repro`, or `dvc checkout` for a run before"]
    return settings.with_prediction(ends=ends), []


def as_trained(folder: Path, settings: Params) -> Params:
    """The settings, with scans standardised as those that the model was trained on, whatever params.yaml says now.

    Raises:
        UserError: what the model says of that cannot be.
    """
    if not (folder / layout.ROUND).is_file():
        return settings  # said with whatever else is missing
    trained_on = read_json(folder / layout.ROUND).get("standardise")
    if trained_on is None:
        log(f"{folder}: does not say what its scans were standardised to; taken: that of params.yaml, axial slices")
        return settings.model_copy(update={"standardise": settings.standardise.model_copy(update=_BEFORE)})
    now = settings.standardise.model_dump(mode="json")
    try:
        trained_on = {**_BEFORE, **trained_on}
        standardise = StandardiseSettings(**trained_on)
    except (ValidationError, TypeError) as error:
        found = f"{folder / layout.ROUND}: standardise: {error}"
        raise UserError(f"{found}; `dvc checkout {folder}` brings back what was trained") from error
    differ = [f"{key} {then!r} (params.yaml: {now[key]!r})" for key, then in trained_on.items() if now[key] != then]
    if differ:
        log(f"{folder}: scans are standardised as it was trained: {', '.join(differ)}")
    return settings.model_copy(update={"standardise": standardise})


def _load(folder: Path, round_id: str, settings: Params) -> Model:
    """The model in a folder.

    Raises:
        UserError: it cannot be loaded, or segments other structures than params.yaml has.
    """
    try:
        about: dict[str, Any] = read_json(folder / layout.ROUND)
        fine = bool(about["fine_grid"])
        ranges_mm3 = {name: (float(low), float(high)) for name, (low, high) in about.get("volumes_mm3", {}).items()}
        ensemble = Ensemble(folder, settings.segmentation.prediction)
    except UserError:
        raise
    except Exception as error:  # of any of the libraries that read it
        raise UserError(
            f"{folder}: cannot be loaded ({words_of(error)}); `dvc checkout {folder}` brings back what was trained"
        ) from error
    if ensemble.structures != settings.labels:
        raise UserError(
            f"{folder}: segments {', '.join(ensemble.structures)}; dataset.structures of params.yaml has "
            f"{', '.join(settings.labels)}; allowed: those that the model was trained on"
        )
    if fine and settings.standardise.fine_spacing_xyz_mm is None:
        raise UserError(f"{folder}: trained on the finer grid; standardise.fine_spacing_xyz_mm is null")
    if not ranges_mm3:
        log(f"{folder}: trained before volumes were noted in {layout.ROUND}: those of the masks are not judged")
    return Model(round_id, settings, ensemble, fine, ranges_mm3)
