"""Tasks as jobs of SLURM against one node and against this machine, on the SLURM that the tests start on the loopback.

    python benchmarks/slurm.py [--epochs 40]

Two folds of nnU-Net on two nodes at once against one after the other, and what 200 tasks that do nothing take. It needs
slurm-wlm, munge, root, and two idle cores: its nodes are this machine.
"""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import click
from harness import Figure, in_turns, publish, seconds

from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.engine.settings import Engine
from gbaseg.runtime.place import Place, placed
from gbaseg.segmentation.training import train_folds
from gbaseg.segmentation.workspace import Workspace

TESTS = Path(__file__).parents[1] / "tests"
# The bars: of one node's time; seconds a task here and as jobs.
_OF_ONE_NODE, _HERE_S, _AS_JOBS_S = 0.6, 1.0, 5.0
_TASKS = 200


def of_tests(name: str, path: Path) -> ModuleType:
    """A module of the tests."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def stage(folder: Path, **settings: object) -> Iterator[None]:
    """Inside, tasks go to SLURM."""
    engine = Engine.model_validate({"engine": "slurm", "poll_s": 5, "memory_gib": 2, **settings})
    with placed(Place("benchmark", folder / "jobs", engine)):
        yield


@click.command(help=__doc__)
@click.option("--epochs", default=40, show_default=True, help="Of each fold, 50 iterations each.")
@click.option("--turns", default=3, show_default=True)
def main(epochs: int, turns: int) -> None:
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    os.environ["GBASEG_DEVICE"] = "cpu"
    cluster_module = of_tests("slurm_cluster", TESTS / "slurm" / "cluster.py")
    segmentation = of_tests("segmentation_tests", TESTS / "segmentation" / "conftest.py")
    with tempfile.TemporaryDirectory(prefix="gbaseg-slurm-") as name:
        folder = Path(name)
        cluster = cluster_module.Cluster(folder / "slurm")
        try:
            cluster.start()
            os.environ.update(cluster.environment)
            figures = [*overhead(folder), two_folds(folder, segmentation.make(folder / "set"), epochs, turns)]
        finally:
            cluster.stop()
    publish("slurm", figures)


def overhead(folder: Path) -> list[Figure]:
    """What a task takes that does nothing."""
    tasks = [Task(f"nothing {number}", int) for number in range(_TASKS)]
    here = seconds(lambda: run(tasks, name="nothing")) / _TASKS
    with stage(folder):
        packed = seconds(lambda: run(tasks, name="nothing")) / _TASKS
    with stage(folder, worth_min=0):
        single = seconds(lambda: run(tasks[:20], name="nothing")) / 20
    measured = {
        f"{_TASKS} tasks that do nothing, each, in processes here": (here, _HERE_S),
        f"{_TASKS} of them, each, in jobs of 5": (packed, _AS_JOBS_S),
        "20 of them, each, in a job of its own, two at a time": (single, _AS_JOBS_S),
    }
    return [
        Figure(what, took, allowed, "s", "allowed", allowed / took, 1, 1) for what, (took, allowed) in measured.items()
    ]


def two_folds(folder: Path, tiny: object, epochs: int, turns: int) -> Figure:
    """Two folds on two nodes against one node; the weights are compared, too."""
    settings = tiny.settings.model_copy(update={"iterations_per_epoch": 50})  # type: ignore[attr-defined]
    weights = []

    def train(nodes: int) -> None:
        work = folder / "train"
        shutil.rmtree(work, ignore_errors=True)
        workspace = Workspace(work / "nnunet")
        shutil.copytree(tiny.workspace.root, workspace.root)  # type: ignore[attr-defined]
        with stage(work, at_once=nodes, worth_min=0):
            train_folds(
                workspace, work / "model", work / "curves", settings, range(2), epochs=epochs, seed=5, name="benchmark"
            )
        weights.append([path.read_bytes() for path in sorted((work / "model").glob("*.safetensors"))])

    figure = in_turns(
        f"two folds of nnU-Net, {epochs} epochs each, on two nodes",
        lambda: train(2), lambda: train(1), turns, "on one node", bar=1 / _OF_ONE_NODE,
        note="the weights of all turns are equal to the bit",
    )  # fmt: skip
    assert all(one == weights[0] for one in weights), "weights differ"
    return figure


if __name__ == "__main__":
    main()
