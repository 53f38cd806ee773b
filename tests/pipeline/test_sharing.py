"""A finished project through a DVC remote to a colleague, whose clone has no more than git at first."""

import json
import shutil

import pytest

pytestmark = pytest.mark.pipeline
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")


@pytest.fixture(scope="module")
def pushed(tiny, tmp_path_factory):
    """A copy of the project with its results committed, and its data and model in a remote."""
    base = tmp_path_factory.mktemp("sharing")
    project = type(tiny)(shutil.copytree(tiny.folder, base / "project", symlinks=True))
    project.run("dvc", "remote", "add", "-d", "storage", str(base / "remote"))
    project.call("export", "-o", "models/model.zip")
    project.run("dvc", "add", "-q", "models/model.zip")
    project.run("git", "add", "-A")
    project.run(*GIT, "commit", "-qm", "results")
    project.run(*GIT, "tag", "-am", "first", "segmenter@v1.0.0")
    project.run("dvc", "push", "-q")
    return project


def scan_of(project):
    return next((project.folder / "data/raw/phantom/generated").rglob("*hrT2.nii.gz"))


@pytest.fixture
def clone(pushed, tmp_path):
    """A colleague's, without data."""
    pushed.run("git", "clone", "-q", str(pushed.folder), str(tmp_path / "clone"))
    return type(pushed)(tmp_path / "clone")


def test_a_clone_without_data_shows_metrics_and_the_rounds(pushed, clone):
    assert not (clone.folder / "models/segmentation").exists()
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json"))
    theirs = json.loads(pushed.run("dvc", "metrics", "show", "--json"))
    assert shown == theirs
    assert "nothing of this was run in this folder" in clone.call("show")


def test_a_clone_has_the_report_and_predicts_without_training(pushed, clone, tmp_path):
    clone.run("dvc", "pull", "-q")
    assert "Data and pipelines are up to date." in clone.run("dvc", "repro")
    clone.call("report")
    scan = scan_of(clone)
    masks = []
    for project, out in ((pushed, tmp_path / "theirs"), (clone, tmp_path / "mine")):
        project.call("predict", str(scan), "-o", str(out))
        masks += [path.read_bytes() for path in out.glob("*.nii.gz")]
    assert len(masks) == 2 and masks[0] == masks[1]


def test_the_first_mask_is_three_commands_away(pushed, tmp_path):
    """Clone, pull of the model, predict: nothing else is fetched."""
    pushed.run("git", "clone", "-q", str(pushed.folder), str(tmp_path / "clone"))
    clone = type(pushed)(tmp_path / "clone")
    clone.run("dvc", "pull", "-q", "models/model.zip")
    clone.call("predict", str(scan_of(pushed)), "-o", str(tmp_path / "masks"), "--model", "models/model.zip")
    assert len(list((tmp_path / "masks").glob("*.nii.gz"))) == 1
    assert not (clone.folder / "data/standard").exists() and not (clone.folder / "models/segmentation").exists()


def test_a_model_is_taken_from_another_repository(pushed, tmp_path):
    """As DVC calls it, an artifact; what comes of it are the project's own masks."""
    pushed.run("dvc", "artifacts", "get", str(pushed.folder), "segmenter", "-o", str(tmp_path / "model.zip"))
    masks = []
    for place, more in (("theirs", ()), ("mine", ("--model", str(tmp_path / "model.zip")))):
        pushed.call("predict", str(scan_of(pushed)), "-o", str(tmp_path / place), *more)
        masks += [path.read_bytes() for path in (tmp_path / place).glob("*.nii.gz")]
    assert len(masks) == 2 and masks[0] == masks[1]
