"""Changed code needs a raised recipe, or somebody's word that its results are the same."""

import ast
import importlib.util
import json
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("recipe_code", Path(__file__).with_name("recipe_code.py"))
assert _spec and _spec.loader
recipe_code = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe_code)


def test_recipes_lock_json_is_of_this_code():
    advice = "raise the number in recipes.yaml, or: python tests/stages/recipe_code.py --same-results WHY"
    assert recipe_code.faults() == [], advice
    stale = [stage for stage in recipe_code.recipes() if recipe_code.changed(stage)]
    assert stale == [], "renew the lock: python tests/stages/recipe_code.py"
    lock = recipe_code.read_lock()
    assert lock["stages"] == recipe_code.recipes()
    assert all(entry["why"].strip() for entry in lock["same_results"])


def test_every_stage_reaches_its_rooms():
    reached = {stage: set(recipe_code.reached(recipe_code.module_of(stage))) for stage in recipe_code.recipes()}
    assert all(recipe_code.module_of(stage) in modules for stage, modules in reached.items())
    assert "gbaseg.augmentation.singan.losses" in reached["train_singan"]  # imported inside functions
    assert {"gbaseg.standardise.grid", "gbaseg.volume.turn"} <= reached["standardise"]
    assert "gbaseg.translation.networks" not in reached["standardise"]


@pytest.fixture
def project(tmp_path):
    """Two stages that share a room, and one that has its own."""
    files = {
        "recipes.yaml": "one: 1\ntwo: 4\n",
        "src/gbaseg/__init__.py": "",
        "src/gbaseg/stages/__init__.py": "",
        "src/gbaseg/stages/one.py": "from gbaseg import shared\n\ndef run():\n    return shared.VALUE\n",
        "src/gbaseg/stages/two.py": "import gbaseg.shared\n\ndef run():\n    from gbaseg.own import f\n    f()\n",
        "src/gbaseg/shared.py": "VALUE = 1\n",
        "src/gbaseg/own.py": '"""Text."""\n\ndef f():\n    """More."""\n    return 2  # why\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    agree(tmp_path)
    assert recipe_code.faults(tmp_path) == []
    return tmp_path


def agree(root, why=""):
    (root / recipe_code.LOCK).write_text(json.dumps(recipe_code.renewed(root, why)))


def test_a_change_names_the_stages_that_it_reaches(project):
    (project / "src/gbaseg/own.py").write_text("def f():\n    return 3\n")
    assert recipe_code.faults(project) == ["two: gbaseg.own changed, its recipe is 4 as before"]
    (project / "src/gbaseg/shared.py").write_text("VALUE = 2\n")
    assert [fault.split(":")[0] for fault in recipe_code.faults(project)] == ["one", "two"]


def test_a_raised_number_is_enough(project):
    (project / "src/gbaseg/own.py").write_text("def f():\n    return 3\n")
    (project / "recipes.yaml").write_text("one: 1\ntwo: 5\n")
    assert recipe_code.faults(project) == []
    agree(project)
    assert recipe_code.read_lock(project)["same_results"] == []


def test_a_lowered_number_is_not(project):
    (project / "src/gbaseg/own.py").write_text("def f():\n    return 3\n")
    (project / "recipes.yaml").write_text("one: 1\ntwo: 3\n")
    assert len(recipe_code.faults(project)) == 1


def test_same_results_of_some_stages_is_not_said_of_others(project):
    (project / "src/gbaseg/shared.py").write_text("VALUE = 1 + 0\n")
    with pytest.raises(ValueError, match="changed, too: one"):
        recipe_code.renewed(project, "the same sum", ["two"])
    assert recipe_code.renewed(project, "the same sum", ["one", "two"])["same_results"]


def test_what_changes_no_result_is_passed_over(project):
    (project / "src/gbaseg/cost.py").write_text("X = 1\n")
    (project / "src/gbaseg/stages/one.py").write_text("from gbaseg import cost, shared\n\ndef run():\n    return 1\n")
    agree(project, "the same")
    (project / "src/gbaseg/cost.py").write_text("X = 2\n")
    assert recipe_code.faults(project) == []
    missing = [name for name in recipe_code.NO_RESULTS if recipe_code.file_of(name, recipe_code.ROOT) is None]
    assert missing == []


def test_same_results_is_noted_with_its_reason_until_the_number_is_raised(project):
    (project / "src/gbaseg/own.py").write_text("def f():\n    return 1 + 1\n")
    agree(project, "the same sum")
    assert recipe_code.faults(project) == []
    expected = [{"why": "the same sum", "modules": ["gbaseg.own"], "stages": {"two": 4}}]
    assert recipe_code.read_lock(project)["same_results"] == expected
    (project / "recipes.yaml").write_text("one: 1\ntwo: 5\n")
    agree(project)
    assert recipe_code.read_lock(project)["same_results"] == []


def test_a_new_module_and_one_that_is_no_longer_reached_are_changes(project):
    (project / "src/gbaseg/more.py").write_text("X = 1\n")
    (project / "src/gbaseg/shared.py").write_text("from gbaseg.more import X as VALUE\n")
    assert "gbaseg.more, gbaseg.shared changed" in recipe_code.faults(project)[0]
    (project / "src/gbaseg/stages/two.py").write_text("def run():\n    return 2\n")
    assert "two: gbaseg.stages.two changed" in recipe_code.faults(project)[1]


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    return 2\n",
        '"""Other."""\n\n\ndef f():\n    """Words."""\n    # reason\n    return (\n        2\n    )\n',
    ],
)
def test_comments_docstrings_and_layout_are_no_change(project, text):
    (project / "src/gbaseg/own.py").write_text(text)
    assert recipe_code.faults(project) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("x = 1", "x = 1.0"), ("x = 'a'", "x = b'a'"), ("x = True", "x = 1"), ("a + b", "a - b"), ("f(a=1)", "f(b=1)")],
)
def test_what_differs_has_another_hash(one, other):
    assert recipe_code.code_hash(ast.parse(one)) != recipe_code.code_hash(ast.parse(other))


def test_the_hash_is_that_of_every_version_of_python():
    text = "def f(a: int, *b, **c) -> None:\n    if a:\n        return [x for x in b]\nclass A(B): pass\n"
    assert recipe_code.code_hash(ast.parse(text)) == "71cc87ae6f451cb3"
