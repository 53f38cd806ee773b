"""`gbaseg plan` in a fresh project, and folders of scans beside it."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A fresh project without data."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "presets", folder / "presets")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GBASEG_WORKERS", "1")
    monkeypatch.setattr("gbaseg.commands.plan.diagnose", lambda _: [])
    return folder


@pytest.fixture
def data(tmp_path, scans):
    """Folders with a head in each file: 1 a ball, 2 a part of the head."""
    folder = tmp_path / "data"
    for name in ("source", "labels", "target", "held_out", "held_out_labels"):
        (folder / name).mkdir(parents=True)
    for seed in range(8):
        array, ball = scans.head(seed=seed)
        ball = ball.copy()
        ball[10:14, 18:22, 6:9] = 2
        if seed < 4:
            scans.save(folder / f"source/p{seed}_T1.nii.gz", array)
            scans.save(folder / f"labels/p{seed}_Label.nii.gz", ball)
        else:
            part = "target" if seed < 7 else "held_out"
            scans.save(folder / f"{part}/q{seed}_T2.nii.gz", array)
    scans.save(folder / "held_out_labels/q7_T2.nii.gz", ball)
    return folder


@pytest.fixture
def folders(data):
    """Where the scans to train on are, as options say it."""
    return ["--source", data / "source", "--labels", data / "labels", "--target", data / "target"]


@pytest.fixture
def plan(project):
    """Calls `gbaseg plan` in the project."""

    def call(*arguments):
        return CliRunner().invoke(main, ["plan", *map(str, arguments)])

    return call


def state(project):
    """Every file of a project with its content, but for caches."""
    return {
        path: path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".scratch" not in path.parts
    }


@pytest.fixture
def refused(plan, project):
    """What a call says that is refused; nothing is written."""

    def call(*arguments):
        before = state(project)
        result = plan(*arguments)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
        assert "Traceback" not in result.output
        assert state(project) == before
        return result.stderr

    return call
