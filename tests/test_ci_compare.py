""".ci/compare works beside the folder that it is called in, on what is committed. DVC and gbaseg are stand-ins here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each notes where it is called, on which code, and how.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $* | $PWD | $PYTHONPATH | $(cat version)" >> "$CALLS"
echo changed > params.yaml
mkdir -p data && echo "$*" >> data/made
"""


@pytest.fixture
def project(tmp_path):
    """A repository of two commits with an environment of stand-ins, and something in data/."""
    folder = tmp_path / "project"
    for name in (".ci", "presets", ".venv/bin", "data", "src"):
        (folder / name).mkdir(parents=True)
    shutil.copy(ROOT / ".ci/compare", folder / ".ci/compare")
    (folder / "Makefile").write_text(".venv/installed:\n\ttouch $@\n")
    (folder / ".gitignore").write_text(".venv/\n/data/\n")
    (folder / "data/mine").write_text("a week of training")
    for name in ("presets/tiny.yaml", "params.yaml", "pyproject.toml", "constraints.txt"):
        (folder / name).write_text("as committed\n")
    for name in ("dvc", "gbaseg"):
        (folder / ".venv/bin" / name).write_text(STAND_IN)
        (folder / ".venv/bin" / name).chmod(0o755)
    git(folder, "init", "-q", "-b", "main")
    for version in ("old", "new"):
        (folder / "version").write_text(version)
        git(folder, "add", "-A")
        git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", version)
    return folder


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def compare(project, *arguments):
    (project.parent / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(project.parent / "tmp"), "CALLS": str(project.parent / "calls")}
    done = subprocess.run(
        ["bash", ".ci/compare", *arguments], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert not list((project.parent / "tmp").iterdir())
    calls = project.parent / "calls"
    return done, calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize(("file", "says"), [("params.yaml", " M params.yaml"), ("new.py", "?? new.py")])
def test_uncommitted_work_is_named_and_left_alone(project, file, says):
    (project / file).write_text("hours of work")
    done, calls = compare(project, "HEAD~1")
    assert (done.returncode, done.stdout, calls) == (1, "", [])
    assert "commit or stash" in done.stderr and says in done.stderr
    assert (project / file).read_text() == "hours of work"


@pytest.mark.parametrize("arguments", [[], ["nonsense"]])
def test_a_wrong_call(project, arguments):
    done, calls = compare(project, *arguments)
    assert (done.returncode, done.stdout, calls) == (1, "", [])
    assert done.stderr.startswith(".ci/compare: ") and "origin/main" in done.stderr


def test_both_revisions_run_elsewhere_and_the_folder_stays(project):
    done, calls = compare(project, "HEAD~1")
    assert done.returncode == 0, done.stderr
    assert "### The tiny pipeline on" in done.stdout and "`dvc exp diff`" in done.stdout
    said, where, code, version = zip(*(line.split(" | ") for line in calls), strict=True)
    run = "dvc exp run --force --name"
    assert said == (
        "gbaseg preset tiny", f"{run} ci-head", "gbaseg show", "gbaseg preset tiny", f"{run} ci-base",
        "dvc metrics diff ci-base ci-head --md", "dvc exp diff ci-base ci-head --md",
    )  # fmt: skip
    assert version == ("new", "new", "new", "old", "old", "new", "new")
    assert set(code) == {f"{where[0]}/src"} and not where[0].startswith(str(project))
    assert git(project, "symbolic-ref", "--short", "HEAD") == "main"
    assert git(project, "status", "--porcelain") == ""
    assert [path.name for path in (project / "data").iterdir()] == ["mine"]


def test_a_revision_without_the_pipeline_is_not_compared_with(project):
    done, calls = compare(project, "HEAD")
    assert done.returncode == 0, done.stderr
    assert "Nothing to compare with" in done.stdout and len(calls) == 3


def test_a_run_that_fails_leaves_nothing_behind(project):
    (project / ".venv/bin/dvc").write_text("#!/bin/sh\nexit 3\n")
    done, _ = compare(project, "HEAD~1")
    assert done.returncode == 3
