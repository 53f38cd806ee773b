"""The Pythons that gbaseg runs on: one list in every place, found by make where nobody says which."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from gbaseg.doctor.machine import PYTHONS

ROOT = Path(__file__).parents[1]
# A Python of another version than it is: what is asked of it is asked of a real one that says so.
STAND_IN = """#!/bin/sh
if [ "$1" = -c ]; then
  exec {python} -c "import sys; sys.version_info = ({version}, 'final', 0)
$2"
fi
mkdir -p "$3/bin"
for name in python python3; do cp "$0" "$3/bin/$name"; done
echo "#!/bin/sh" > "$3/bin/pip"
chmod +x "$3/bin/pip"
echo "$(basename "$0")" > "$3/made-by"
"""
SHIM = """#!/bin/sh
echo "$0: command not found. The command exists in these Python versions: 3.12.1" >&2
exit 127
"""
NAMES = ("python3.11", "python3.12", "python3.13", "python3")


def test_one_list_in_every_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = SpecifierSet(project["requires-python"])
    assert tuple(version for minor in range(30) if (version := f"3.{minor}") in allowed) == PYTHONS
    assert [line.rpartition(" ")[2] for line in project["classifiers"]] == list(PYTHONS)
    assert f"\nallowed=({' '.join(PYTHONS)})" in (ROOT / ".ci/python").read_text()
    jobs = YAML(typ="safe").load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == list(PYTHONS)
    assert f"Python {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}" in (ROOT / "README.md").read_text()


def test_every_pin_holds_for_every_python():
    """pip-audit reads the file without resolving anything: one pin a package, no markers."""
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    names = [pin.partition("==")[0].lower().replace("_", "-") for pin in pins]
    assert len(names) == len(set(names))


def test_no_test_can_need_distutils():
    # Given back by setuptools where that is installed.
    with pytest.raises(ModuleNotFoundError, match="distutils is refused"):
        from distutils.file_util import copy_file  # noqa: F401


@pytest.fixture
def project(tmp_path):
    """The Makefile, its helper and nothing to install, with no Python that works on the PATH."""
    for name in (".ci", "bin"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / ".ci/python", tmp_path / ".ci")
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    for name in NAMES:
        stand_in(tmp_path, name, SHIM)
    return tmp_path


def stand_in(project, name, text):
    path = project / "bin" / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def python(project, name, version):
    return stand_in(project, name, STAND_IN.format(python=sys.executable, version=version.replace(".", ", ")))


def make(project, *arguments):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS")}
    environment["PATH"] = os.pathsep.join([str(project / "bin"), environment["PATH"]])
    command = ["make", "-s", ".venv/installed", *arguments]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    made_by = project / ".venv/made-by"
    return made_by.read_text().strip() if made_by.exists() else None, done.stderr


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"python3.11": "3.11.7", "python3.12": "3.12.1", "python3": "3.12.1"}, "python3.11"),
        ({"python3.13": "3.13.0", "python3.12": "3.12.1"}, "python3.12"),
        ({"python3": "3.13.0"}, "python3"),
    ],
)
def test_the_first_that_runs_is_taken(project, there, taken):
    for name, version in there.items():
        python(project, name, version)
    assert make(project) == (taken, "")


def test_without_any_it_says_what_was_found(project):
    python(project, "python3", "3.9.2")
    made, said = make(project)
    assert made is None
    assert "gbaseg needs one of Python 3.11 3.12 3.13; python3.11 does not run, python3.12 does not run, " in said
    assert "python3 is 3.9.2. Say which: make PYTHON=/path/to/python3.13" in said


def test_one_that_is_asked_for_is_taken_or_refused_by_name(project):
    python(project, "python3.11", "3.11.7")
    other = python(project, "other", "3.14.0")
    made, said = make(project, f"PYTHON={other}")
    assert (made, f"{other} is 3.14.0" in said) == (None, True)
    python(project, "other", "3.13.0")
    assert make(project, f"PYTHON={other}") == ("other", "")


def test_an_environment_of_another_python_is_not_used_in_its_place(project):
    python(project, "python3.11", "3.11.7")
    assert make(project) == ("python3.11", "")
    python(project, "python3.13", "3.13.0")
    made, said = make(project, "PYTHON=python3.13")
    assert ".venv is of Python 3.11.7 and PYTHON=python3.13 is 3.13.0: remove .venv first" in said
    assert made == "python3.11"
    python(project, "python3", "3.13.0")
    assert "PYTHON=python3 is 3.13.0" in make(project, "PYTHON=python3")[1]  # not .venv/bin/python3
    python(project, "python3.11", "3.11.9")
    assert make(project, "PYTHON=python3.11") == make(project) == ("python3.11", "")
