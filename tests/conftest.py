"""What tests of several rooms share: test scans, their order, and which of them train."""

import importlib.util
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import dvc  # noqa: F401 - its log goes where standard output led when it was imported: not to a test's, which is closed
import pytest


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

# An optimiser's steps in a test or a fixture, to look at one; with more it trains, and `make check` leaves it out.
MOST_STEPS = 3
# Of the files without a whole pipeline those that take longest, in processes of their own.
WAITS = {
    "test_page.py", "test_processes.py", "test_experiments.py", "test_study_run.py", "test_run.py", "test_engine.py",
    "test_lost.py", "test_interrupted.py", "test_tasks.py", "test_side_by_side.py",
}  # fmt: skip


@pytest.fixture(scope="session")
def scans():
    """The builder of test scans: `scans.head()`, `scans.save(path, ...)`, `scans.edit(path, ...)`."""
    return _scans


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
    """Files of whole pipelines come first, so that no process of xdist has a long one left at the end.

    Last of these the ones that look at the tiny project, which another process makes by then. Then those that wait for
    processes, and others by their length.
    """
    counts = Counter(item.path for item in items)
    others = {item.path for item in items if item.get_closest_marker("pipeline") is None}
    look = {item.path for item in items if "tiny" in getattr(item, "fixturenames", ())}
    items.sort(
        key=lambda item: (
            item.path in others, item.path in look, item.path.name not in WAITS, -counts[item.path], item.path
        )
    )  # fmt: skip


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
