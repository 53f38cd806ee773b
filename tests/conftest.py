"""What tests of several rooms share: test scans, their order, and which of them train."""

import gc
import importlib.util
import os
import shutil
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import dvc  # noqa: F401 - its log goes where standard output led when it was imported: not to a test's, which is closed
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# A busy machine is no fault.
hypothesis_settings.register_profile("gbaseg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("gbaseg")

# What is imported and collected stays: looked through again and again for garbage, it takes a fifth of all time.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


class NoDistutils:
    """Refuses distutils, which Python 3.12 no longer has: setuptools, which torch needs there, gives it back."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "distutils":
            raise ModuleNotFoundError(f"{name} is refused: gbaseg may not need it", name=name)


# Before anything of gbaseg or nnU-Net is imported, and for every test.
sys.meta_path.insert(0, NoDistutils)
for _name in [name for name in sys.modules if name.partition(".")[0] == "distutils"]:
    del sys.modules[_name]

# What a user has set for runs (GBASEG_WORKERS, GBASEG_GPU_TASKS, ...) is not for tests.
for _name in [name for name in os.environ if name.startswith("GBASEG_")]:
    del os.environ[_name]

_spec = importlib.util.spec_from_file_location("scans", Path(__file__).parent / "faults" / "scans.py")
assert _spec and _spec.loader
_scans = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_scans)

_ROOT = Path(__file__).parents[1]
# An optimiser's steps in a test or a fixture, to look at one; with more it trains, and `make check` leaves it out.
MOST_STEPS = 3
# The files that take longest (60 to 10 s), in the order in which processes of xdist are to have them: none is left with
# a long one at the end. The first makes the tiny project, and others that look at it come when it is there.
LONGEST = [
    "pipeline/test_queue.py", "pipeline/test_paper.py", "pipeline/test_few_slices.py", "pipeline/test_auto.py",
    "slurm/test_lost.py", "commands/test_side_by_side.py", "review/test_page.py", "pipeline/test_kills.py",
    "slurm/test_folds.py",
    "workflow/test_roots.py", "inference/test_nnunet_zip.py", "faults/test_processes.py",
    "slurm/test_interrupted.py", "slurm/test_tasks.py", "pipeline/test_tutorials.py",
    "runtime/test_stage_server.py", "runtime/test_fork_server.py", "pipeline/test_blind.py",
    "commands/test_study_run.py", "commands/test_experiments.py", "pipeline/test_sharing.py",
    "pipeline/test_tiny.py", "translation/test_training.py", "augmentation/test_training.py",
    "augmentation/test_equivalence.py", "pipeline/test_review.py", "review/test_command.py",
    "segmentation/test_training.py", "segmentation/test_prediction.py", "segmentation/test_training_faults.py",
]  # fmt: skip


@pytest.fixture(scope="session")
def scans():
    """The builder of test scans: `scans.head()`, `scans.save(path, ...)`, `scans.edit(path, ...)`."""
    return _scans


@pytest.fixture
def as_shipped(tmp_path, monkeypatch):
    """The working folder has the parameters and stages of the demonstration, and nothing that they make."""
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", "recipes.yaml"):
        shutil.copyfile(_ROOT / name, name)
    shutil.copyfile(_ROOT / "presets/default.yaml", "params.yaml")


@pytest.fixture
def as_measured():
    """Makes lines of a ledger: what `2-cores` would have noted of a run, were it so many times as slow."""
    from gbaseg.cost.speeds import speeds_of, stage_in_ledger
    from gbaseg.cost.work import count_work

    def make(settings, size, times):
        noted = {"params": settings.model_dump(mode="json"), "size": asdict(size)}
        return [
            {
                "stage": stage_in_ledger(one.stage),
                "seconds": times * one.amount * speeds_of("2-cores")[one.kind].seconds_per_unit,
                "work": noted,
            }
            for one in count_work(settings, size)
        ]

    return make


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: tests of processes wait for them for much of their time."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whole pipelines train. Marked here, before `-m` chooses."""
    if item.get_closest_marker("pipeline"):
        item.add_marker("training")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then those of many tests."""
    counts = Counter(item.path for item in items)
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path, len(places)), -counts[item.path], item.path))


class Steps:
    """Counts steps of every optimiser of torch, and remembers the fixtures that trained."""

    def __init__(self) -> None:
        self.count = 0
        self.fixtures: set[tuple[str, str]] = set()
        self.watched = False

    def watch(self) -> int:
        """Steps until now. torch is not imported for it: what has not is no training."""
        if not self.watched and "torch" in sys.modules:
            from torch.optim.optimizer import register_optimizer_step_pre_hook

            def one_more(*_):
                self.count += 1

            register_optimizer_step_pre_hook(one_more)
            self.watched = True
        return self.count


steps = Steps()


@pytest.fixture(scope="session")
def count_steps():
    """How many steps all of torch's optimisers have taken."""
    return steps.watch


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    before = steps.watch()
    try:
        return (yield)
    finally:
        if steps.count - before > MOST_STEPS:
            steps.fixtures.add((fixturedef.baseid, fixturedef.argname))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    before = steps.watch()
    result = yield
    if item.get_closest_marker("training") is None:
        taken = steps.count - before
        assert taken <= MOST_STEPS, f"{taken} steps of an optimiser: mark it pytest.mark.training, or let it take fewer"
        trained = {name for place, name in steps.fixtures if item.nodeid.startswith(place)} & {*item.fixturenames}
        assert not trained, f"{', '.join(sorted(trained))}: a fixture that trains: mark the test pytest.mark.training"
    return result
