"""A model that somebody has published: an artifact of DVC in another git repository (`docs/predict.md`)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from gbaseg.errors import UserError
from gbaseg.runtime.leftovers import TEMPORARY
from gbaseg.runtime.progress import log

FORM = "REPOSITORY#NAME or REPOSITORY#NAME@VERSION, such as https://host/lab/project.git#segmenter@v1.0.0"


def names_artifact(model: str) -> bool:
    """Whether this is an artifact's name, and no path: what is a file or a folder never is."""
    return "#" in model and not Path(model).exists()


def fetched(model: str) -> tuple[TemporaryDirectory[str], Path]:
    """Download an artifact.

    Args:
        model: repository (a URL, or a folder), `#`, the artifact's name, after `@` its version; default: the newest.

    Returns:
        A folder that goes when nobody holds it any more, and the artifact's file in it.

    Raises:
        UserError: no such repository, artifact or version, or its file is not in DVC's remote.
    """
    repository, _, name = model.rpartition("#")
    name, _, version = name.partition("@")
    if not repository or not name:
        raise UserError(f"--model {model}: expected {FORM}")
    from dvc.exceptions import DvcException
    from dvc.repo.artifacts import Artifacts
    from dvc.scm import SCMError

    folder = TemporaryDirectory(prefix=TEMPORARY)
    path = Path(folder.name) / "model.zip"
    log(f"{repository}: fetching {name}{f' {version}' if version else ', the newest'}")
    try:
        Artifacts.get(repository, name, version=version or None, out=str(path))
    except (DvcException, SCMError, OSError) as error:
        folder.cleanup()
        said = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        raise UserError(f"--model {model}: cannot be fetched: {said}") from error
    return folder, path
