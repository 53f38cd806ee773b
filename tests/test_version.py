"""A release has one number, wherever it stands."""

import re
import tomllib
from pathlib import Path

from ruamel.yaml import YAML

from gbaseg import __version__

ROOT = Path(__file__).parents[1]


def test_the_version_is_one():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())["version"]
    [newest, *_] = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {pyproject, citation, newest} == {__version__}


def test_releases_stand_with_the_newest_first():
    found = re.findall(r"^## (\d+)\.(\d+)\.(\d+)( \(.+\))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    numbers = [tuple(map(int, one[:3])) for one in found]
    assert len(numbers) > 1 and numbers == sorted(numbers, reverse=True)
