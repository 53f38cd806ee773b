"""Where a model is: in the project around this folder, in a zip of `gbaseg export`, or in a folder."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from gbaseg import params
from gbaseg.errors import UserError
from gbaseg.inference import contents
from gbaseg.inference.artifact import fetched, names_artifact
from gbaseg.inference.exported import describe_folder, describe_zip
from gbaseg.inference.model import Described, Model
from gbaseg.inference.project import describe_round
from gbaseg.workflow import layout

_ALLOWED = (
    "a zip of `gbaseg export`, the folder of one unpacked, or models/segmentation/ROUND of a project with its "
    "params.yaml, or an artifact of DVC, URL#NAME"
)


def describe(path: Path | str | None, round_id: str | None) -> Described:
    """What is known of a model before its networks are loaded.

    Args:
        path: zip, folder or artifact of DVC (`artifact.FORM`); `None`: of the project in this folder.
        round_id: of the project, default: its last; with a path it has to be the model's own.

    Raises:
        UserError: no model is there, or what it says of itself cannot be.
    """
    if path is None:
        return _of_this_project(round_id)
    described = _published(str(path)) if names_artifact(str(path)) else _at(Path(path))
    if round_id not in (None, described.round_id):
        raise UserError(f"--round {round_id}: {path} is the model of {described.round_id}; leave --round out")
    return described


def _published(model: str) -> Described:
    folder, path = fetched(model)
    try:
        described = _at(path)
    except UserError as error:
        folder.cleanup()
        raise UserError(str(error).replace(str(path), model)) from error

    def load() -> Model:
        with folder:  # until the networks are loaded
            return described.load()

    return replace(described, load=load)


def _of_this_project(round_id: str | None) -> Described:
    settings = params.load()
    if round_id is not None and round_id != layout.SURVEY:
        settings.self_training.round(round_id)  # raises where there is none
    round_id = round_id or settings.self_training.last
    return describe_round(layout.model_of(round_id), round_id, settings)


def _at(path: Path) -> Described:
    if path.is_file():
        if not zipfile.is_zipfile(path):
            raise UserError(f"{path}: no zip, or one that is cut off; allowed: {_ALLOWED}")
        return describe_zip(path)
    if (path / contents.NAME).is_file():
        return describe_folder(path)
    if (path / layout.ROUND).is_file():
        folder = path.resolve()
        if folder.parent.match(str(layout.SEGMENTATION_MODEL)):
            project = folder.parents[len(layout.SEGMENTATION_MODEL.parts)]
            if (project / params.PATH).is_file():
                return describe_round(path, folder.name, params.load(project / params.PATH))
        raise UserError(f"{path}: a model without the params.yaml of its project; `gbaseg export` there, or {_ALLOWED}")
    raise UserError(f"{path}: {'no model in it' if path.is_dir() else 'no such file or folder'}; allowed: {_ALLOWED}")
