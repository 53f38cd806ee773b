"""Whole projects in a temporary folder: the shipped dvc.yaml and presets, with a few numbers changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from gbaseg.cli import main
from gbaseg.params import check
from gbaseg.presets import apply_preset

ROOT = Path(__file__).parents[2]
SHIPPED = ("dvc.yaml", "recipes.yaml", ".dvcignore", ".gitignore", "presets")


class Project:
    """A project folder and ways to run it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def settle(self, preset: str, changes: Mapping[str, Any]) -> None:
        """Write params.yaml: a preset, and over it values by dotted keys."""
        params = self.folder / "params.yaml"
        apply_preset(preset, self.folder / "presets", params, validate=check)
        content = YAML(typ="safe").load(params.read_text())
        for key, value in changes.items():
            *above, name = key.split(".")
            section = content
            for part in above:
                section = section[part]
            assert name in section, key
            section[name] = value
        with params.open("w") as stream:
            YAML().dump(content, stream)

    def commit(self) -> None:
        """Put the folder under git and DVC."""
        self.run("git", "init", "-q")
        self.run("dvc", "init", "-q")
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "start")

    def run(self, *command: str) -> str:
        """What a command prints; it must succeed."""
        done = subprocess.run(command, cwd=self.folder, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        return done.stdout + done.stderr

    def stages(self, monkeypatch: pytest.MonkeyPatch, start: str = "phantom", stop: str | None = None) -> None:
        """Run the commands of dvc.yaml in its order, in this process: seconds of start-up saved for each.

        From the command `start` up to, and without, the command `stop`.
        """
        import torch

        monkeypatch.chdir(self.folder)
        # As in `environment`: workers and this process have one thread each.
        monkeypatch.setenv("GBASEG_WORKERS", "1")
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        commands = self.commands()
        names = [command[0] for command in commands]
        for command in commands[names.index(start) : names.index(stop) if stop else None]:
            result = CliRunner().invoke(main, command, catch_exceptions=False)
            assert result.exit_code == 0, f"{command}\n{result.output}"
        torch.set_num_threads(threads)

    def commands(self) -> list[list[str]]:
        """The arguments of gbaseg in each stage, the rounds one after the other."""
        pipeline = YAML(typ="safe").load((self.folder / "dvc.yaml").read_text())["stages"]
        rounds = YAML(typ="safe").load((self.folder / "params.yaml").read_text())["self_training"]["rounds"]
        once = [stage["cmd"] for stage in pipeline.values() if "matrix" not in stage]
        each = [stage["cmd"] for stage in pipeline.values() if "matrix" in stage]
        filled = [
            cmd.replace("${item.round.id}", item["id"]).replace("${item.round.last}", str(item["last"]).lower())
            for item in rounds
            for cmd in each
        ]
        return [cmd.split()[1:] for cmd in [*once[:-1], *filled, once[-1]]]


def environment() -> dict[str, str]:
    """This Python's commands first, DVC silent, and one core: the others are xdist's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "GBASEG_WORKERS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory):
    """Make a project: `new_project(preset, {"dotted.key": value})`."""

    def make(preset: str = "tiny", changes: Mapping[str, Any] | None = None) -> Project:
        folder = tmp_path_factory.mktemp("project")
        for name in SHIPPED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
        project = Project(folder)
        project.settle(preset, changes or {})
        return project

    return make


@pytest.fixture(scope="session")
def tiny(new_project) -> Project:
    """`dvc repro` from nothing, with the preset that CI runs; tests look at what it wrote and change nothing."""
    project = new_project("tiny")
    project.commit()
    project.log = project.run("dvc", "repro")
    return project
