"""What the page is made of comes with the package, and from nowhere else."""

import hashlib
import re
import tomllib
from importlib.resources import files
from pathlib import Path

from gbaseg.review.server import _STATIC
from gbaseg.review.shown import WHITE

STATIC = files("gbaseg.review").joinpath("static")


def text(name):
    return STATIC.joinpath(name).read_text(encoding="utf-8")


def test_every_file_of_the_page_is_served_and_belongs_to_a_wheel():
    served = {name for name, _ in _STATIC.values()}
    assert served == {one.name for one in STATIC.iterdir()} - {"niivue.LICENSE.txt"}
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert pyproject["tool"]["setuptools"]["package-data"]["gbaseg.review"] == ["static/*"]


def test_what_the_page_asks_for_is_served():
    named = re.findall(r'(?:src|href)="(/[^"]+)"', text("index.html"))
    named += [
        f"/static/{name}" for one in ("review.js", "viewer.js") for name in re.findall(r'from "\./(.+)"', text(one))
    ]
    assert len(named) > 3 and set(named) <= _STATIC.keys()
    assert not re.search(r"https?:|//[a-z]", "".join(map(text, ("index.html", "review.css"))))


def test_niivue_is_the_registry_s_file_of_the_version_that_its_licence_names():
    found = hashlib.sha256(STATIC.joinpath("niivue.js").read_bytes()).hexdigest()
    licence = text("niivue.LICENSE.txt")
    assert f"(sha256 {found})" in licence and "version 0.69.0" in licence and "BSD 2-Clause License" in licence


def test_every_key_and_button_has_something_to_do():
    script = text("review.js")
    actions = set(re.findall(r"^  (\w+)(?:: |,)", script.split("const ACTIONS = {")[1].split("\n};")[0], re.MULTILINE))
    keys = set(re.findall(r': "(\w+)"', script.split("const KEYS = {")[1].split("};")[0]))
    buttons = set(re.findall(r'data-do="(\w+)"', text("index.html")))
    assert keys | buttons <= actions
    assert {"accept", "reject", "undo", "next", "previous", "edit"} <= keys & buttons


def test_the_page_knows_the_servers_white():
    assert re.search(r"const WHITE = (\d+);", text("scans.js"))[1] == str(WHITE)
