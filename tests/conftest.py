"""What tests of several rooms share."""

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("scans", Path(__file__).parent / "faults" / "scans.py")
assert _spec and _spec.loader
_scans = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_scans)


@pytest.fixture(scope="session")
def scans():
    """The builder of test scans: `scans.head()`, `scans.save(path, ...)`, `scans.edit(path, ...)`."""
    return _scans
