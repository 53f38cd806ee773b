"""Whole projects in a temporary folder: the shipped dvc.yaml and presets, with a few numbers changed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from multiprocessing.context import SpawnContext
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from gbaseg.cli import main
from gbaseg.params import check
from gbaseg.preset_writing import apply_preset
from gbaseg.runtime import engine
from gbaseg.runtime.threads import torch_threads

ROOT = Path(__file__).parents[2]
SHIPPED = ("dvc.yaml", "recipes.yaml", "review.yaml", ".dvcignore", ".gitignore", "presets")
OF_ONE_CORE = ("GBASEG_WORKERS", "OMP_NUM_THREADS")


class Project:
    """A project folder and ways to run it; `log`: what its making said."""

    def __init__(self, folder: Path, log: str = "") -> None:
        self.folder, self.log = folder, log

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

    def call(self, *arguments: str) -> str:
        """What `gbaseg ARGUMENTS` prints, in this process and without workers: each would import torch for seconds.

        What nnU-Net's settings leave in the environment goes with it, as it would with the process.
        """
        with mock.patch.dict(os.environ), pytest.MonkeyPatch.context() as patch, torch_threads(1):
            patch.chdir(self.folder)
            for name in OF_ONE_CORE:
                patch.setenv(name, "1")
            patch.setattr(engine.local, "ProcessPoolExecutor", Here)
            patch.setattr(SpawnContext, "Pool", lambda _, processes: ThreadPool(processes))  # nnU-Net's, likewise
            result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, f"gbaseg {' '.join(arguments)}\n{result.output}"
        return result.output

    def stages(self, start: str = "phantom", stop: str | None = None) -> None:
        """The commands of dvc.yaml in its order by `call`, from the command `start` up to, and without, `stop`."""
        commands = self.commands()
        names = [command[0] for command in commands]
        for command in commands[names.index(start) : names.index(stop) if stop else None]:
            self.call(*command)

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


class Here(Executor):
    """In the place of the engine's worker processes: a task runs when it is handed over, to the same numbers."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


def environment() -> dict[str, str]:
    """This Python's commands first, DVC silent, and one core: the others are xdist's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **dict.fromkeys(OF_ONE_CORE, "1")}


def write_project(folder: Path, preset: str, changes: Mapping[str, Any]) -> Project:
    """What is shipped, in an empty folder, and its params.yaml."""
    for name in SHIPPED:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
    project = Project(folder)
    project.settle(preset, changes)
    return project


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory):
    """Make a project: `new_project(preset, {"dotted.key": value})`."""

    def make(preset: str = "tiny", changes: Mapping[str, Any] | None = None) -> Project:
        return write_project(tmp_path_factory.mktemp("project"), preset, changes or {})

    return make


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """`dvc repro` from nothing, with the preset that CI runs; tests look at what it wrote and change nothing.

    One for all processes of xdist, whose temporary folders stand in one: who comes first makes it, others wait. Each
    has a copy, since two commands of DVC at once are in each other's way.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made_once"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            assert not folder.exists(), "its making has failed in another process"
            folder.mkdir()
            project = write_project(folder, "tiny", {})
            project.commit()
            done.write_text(project.run("dvc", "repro"))
    return Project(shutil.copytree(folder, base / "tiny"), done.read_text())
