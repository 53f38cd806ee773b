"""A SLURM for the session, and projects' folders in which tasks go to it."""

import importlib.util
import tempfile
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("slurm_cluster", Path(__file__).with_name("cluster.py"))
assert _spec and _spec.loader
cluster_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cluster_module)


@pytest.fixture(scope="session")
def slurm():
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
