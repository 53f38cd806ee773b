"""A finished project through a DVC remote to a colleague, whose clone has no more than git at first."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.inference.find import describe
from gbaseg.text_file import read_yaml

pytestmark = pytest.mark.pipeline
ROOT = Path(__file__).parents[2]
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
    for number, name in enumerate(("segmenter", "segmenter@v1.0.0")):
        out = tmp_path / f"fetched_{number}"
        pushed.call("predict", str(scan_of(pushed)), "-o", str(out), "--model", f"{pushed.folder}#{name}")
        assert [path.read_bytes() for path in out.glob("*.nii.gz")] == masks[:1]


@pytest.mark.parametrize(
    ("name", "says"), [("other", "other"), ("segmenter@v9.0.0", "v9.0.0"), ("", "REPOSITORY#NAME")]
)
def test_an_artifact_that_is_not_there_is_said(pushed, name, says):
    with pytest.raises(UserError, match=rf"^--model .*#{name}: .*{says}"):
        describe(f"{pushed.folder}#{name}", None)


def test_a_repository_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match=r"^--model .*nowhere#segmenter: cannot be fetched: "):
        describe(f"{tmp_path}/nowhere#segmenter", None)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the wheel of this code was installed, and nothing else."""
    base = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "src"):  # building leaves folders behind
        source, copy = ROOT / name, base / "code" / name
        copy.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
        else:
            shutil.copyfile(source, copy)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input"]
    quiet = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    wheel = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(base), str(base / "code")]
    subprocess.run([*pip, *wheel], env=quiet, check=True, capture_output=True)
    [built] = base.glob("gbaseg-*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--target", str(base / "installed"), str(built)],
        env=quiet,
        check=True,
        capture_output=True,
    )
    return base / "installed"


def test_what_a_wheel_installs_segments_from_an_empty_folder_and_has_the_presets(pushed, installed, tmp_path):
    """Dependencies are this environment's; gbaseg is the wheel's alone."""
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copyfile(pushed.folder / "models/model.zip", tmp_path / "model.zip")
    environment = {**os.environ, "PYTHONPATH": str(installed), "GBASEG_WORKERS": "1", "OMP_NUM_THREADS": "1"}

    def gbaseg(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "gbaseg.cli", *arguments],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    gbaseg("predict", str(scan_of(pushed)), "-o", "masks", "--model", str(tmp_path / "model.zip"))
    [mask] = (empty / "masks").glob("*.nii.gz")
    pushed.call("predict", str(scan_of(pushed)), "-o", str(tmp_path / "theirs"))
    assert mask.read_bytes() == (tmp_path / "theirs" / mask.name).read_bytes()
    assert "\ncrossmoda2022\n" in gbaseg("preset")
    gbaseg("preset", "tiny")
    assert read_yaml(empty / "params.yaml") == read_yaml(pushed.folder / "params.yaml")
    assert "no dvc.yaml here" in gbaseg("plan", str(empty), code=1)
    shutil.copyfile(ROOT / "dvc.yaml", empty / "dvc.yaml")
    assert "nothing here in the layout" in gbaseg(
        "plan", "masks", code=1
    )  # it has looked at the data: all else is there
    where = [sys.executable, "-c", "import gbaseg; print(gbaseg.__file__)"]
    assert subprocess.run(
        where, env=environment, cwd=empty, capture_output=True, text=True, check=True
    ).stdout.startswith(str(installed))
