"""A SLURM for the session, and a folder in which tasks go to it."""

import importlib.util
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gbaseg.runtime.engine.settings import Engine
from gbaseg.runtime.place import Place, placed

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("slurm_cluster", HERE / "cluster.py")
assert _spec and _spec.loader
cluster_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cluster_module)


@pytest.fixture(scope="session")
def cluster():
    """A running SLURM of nodes n1 and n2, of one core each, and n3 with two GPUs."""
    with tempfile.TemporaryDirectory(prefix="gbaseg-slurm-") as folder:  # sockets' names have to be short
        cluster = cluster_module.Cluster(Path(folder))
        try:
            try:
                cluster.start()
            except cluster_module.CannotStart as error:
                pytest.skip(f"no SLURM here: {error}")
            yield cluster
        finally:
            cluster.stop()


class Site:
    """A folder in which a stage's tasks go to SLURM."""

    def __init__(self, cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.jobs = folder / ".scratch" / "count-1" / "jobs"

    @contextmanager
    def stage(self, **settings):
        """Inside, tasks are those of a stage whose jobs ask for this."""
        engine = Engine(**{"engine": "slurm", "poll_s": 1, "worth_min": 0, "memory_gib": 0.5, **settings})
        with placed(Place("count/round_1", self.jobs, engine)):
            yield

    def until(self, is_so, what: str, seconds: float = 60.0) -> None:
        """Wait for something."""
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"{what}: not in {seconds} s; {self.cluster.jobs()}"
            time.sleep(0.1)

    def submissions(self) -> int:
        """How many arrays of this folder's SLURM has had."""
        names = self.cluster.said("squeue", "-h", "--states=all", "-o", "%j").splitlines()
        return len({name for name in names if name.startswith("count_round_1.")} - self._before)

    def forget_others(self) -> None:
        """Count submissions from now on."""
        names = self.cluster.said("squeue", "-h", "--states=all", "-o", "%j").splitlines()
        self._before = set(names)


@pytest.fixture
def site(cluster, tmp_path, monkeypatch):
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", f"{HERE.parents[1] / 'src'}:{HERE}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)
    site = Site(cluster, tmp_path)
    site.forget_others()
    yield site
    sys.modules.pop("stubs", None)
    try:
        # A job hands its last outcome back, and is over a moment later.
        site.until(lambda: not cluster.jobs(), "no job is left in the queue", 10)
    finally:
        cluster.said("scancel", "--user=root")
