"""A project that has run to its end, for benchmarks that look at what is beside the work: a copy, or a tiny one."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from ruamel.yaml import YAML

from gbaseg.params import check
from gbaseg.preset_writing import apply_preset

ROOT = Path(__file__).parents[1]
_SHIPPED = ("dvc.yaml", "recipes.yaml", "review.yaml", ".dvcignore", ".gitignore", "presets")


@contextmanager
def finished_project(given: Path | None) -> Iterator[Path]:
    """A copy of a finished project; without one the preset `tiny` is run, which takes minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        if given is None:
            _run_tiny(folder)
        else:
            shutil.copytree(given, folder, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
        yield folder


def run_in(folder: Path, *command: str, **environment: str) -> None:
    """Run a command there, with this Python's `dvc` and `gbaseg` first in the path; it must succeed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **environment}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stdout[-1500:]}{done.stderr[-1500:]}")


def stages_of(folder: Path) -> list[str]:
    """Names of the stages as dvc.lock has them, in the order they ran."""
    return list(YAML(typ="safe").load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"])


def _run_tiny(folder: Path) -> None:
    folder.mkdir()
    for name in _SHIPPED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
    apply_preset("tiny", folder / "presets", folder / "params.yaml", validate=check)
    click.echo("a tiny project is made: minutes")
    run_in(folder, "git", "init", "-q")
    run_in(folder, "dvc", "init", "-q")
    shutil.copyfile(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    commit_all(folder)
    run_in(folder, "dvc", "repro")
    commit_all(folder)


def commit_all(folder: Path) -> None:
    """What `dvc exp run` starts from."""
    run_in(folder, "git", "add", "-A")
    run_in(folder, "git", "-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-qm", "x", "--allow-empty")
