"""An empty folder, masks in it, and `gbaseg evaluate` of predictions in `p` against references in `r`."""

import os
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.volume import Grid, Volume, write

OBLIQUE = Grid((6, 10, 12), (2.0, 0.5, 0.7), (-30.0, 4.0, 7.0), (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ, {"GBASEG_WORKERS": "1"}):
        yield tmp_path


@pytest.fixture
def grid():
    """That of masks, where nothing else is said: oblique."""
    return OBLIQUE


@pytest.fixture
def masks():
    """Writes masks and gives their voxels by name: random blocks of values 1 and 2."""

    def call(folder, *names, grid=OBLIQUE, seed=0, dtype=np.uint8):
        rng = np.random.default_rng(seed)
        written = {}
        for name in names:
            array = np.zeros(grid.shape, dtype)
            corner = rng.integers(1, 4, 3)
            array[tuple(slice(at, at + 3) for at in corner)] = 1
            array[-1, -2:, -2:] = 2
            write(Volume(array, grid), folder / name)
            written[name] = array
        return written

    return call


@pytest.fixture
def evaluate():
    """Calls `gbaseg evaluate` on both folders."""

    def call(*options):
        words = ["evaluate", "--predictions", "p", "--references", "r", "--out", "s.csv"]
        return CliRunner().invoke(main, [*words, *options])

    return call


@pytest.fixture
def fault(evaluate):
    """What a call says that ends with faults."""

    def call(*options) -> str:
        result = evaluate(*options)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
        assert "Traceback" not in result.output
        return result.stderr

    return call
