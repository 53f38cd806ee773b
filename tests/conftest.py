"""What tests of several rooms share."""

import importlib.util
import sys
from pathlib import Path

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

_spec = importlib.util.spec_from_file_location("scans", Path(__file__).parent / "faults" / "scans.py")
assert _spec and _spec.loader
_scans = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_scans)


@pytest.fixture(scope="session")
def scans():
    """The builder of test scans: `scans.head()`, `scans.save(path, ...)`, `scans.edit(path, ...)`."""
    return _scans
