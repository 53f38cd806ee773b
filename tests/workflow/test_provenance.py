"""What is not this run's is never shown as if it were."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from gbaseg.cli import main
from gbaseg.errors import UserError
from gbaseg.workflow import layout
from gbaseg.workflow.provenance import refuse_strangers, strangers

ROOT = Path(__file__).parents[2]
ROUNDS = [Path(f"metrics/{name}.json") for name in ("survey", "round_0", "round_1")]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """What a fresh clone holds of a run: parameters, recipes, dvc.lock and metrics, as they are committed."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "dvc.lock", "dvc.lock")
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    # Those of that run: one may have been raised since.
    stages = YAML(typ="safe").load(Path("dvc.lock").read_text())["stages"]
    recipes = {name: number for one in stages.values() for name, number in one["params"]["recipes.yaml"].items()}
    Path("recipes.yaml").write_text("".join(f"{name}: {number}\n" for name, number in recipes.items()))
    shutil.copytree(ROOT / "metrics", "metrics", ignore=shutil.ignore_patterns("cases", "curves"))
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def change(file, old, new):
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


def lock(change):
    content = YAML(typ="safe").load(Path("dvc.lock").read_text())
    change(content["stages"])
    with Path("dvc.lock").open("w") as stream:
        YAML().dump(content, stream)


@pytest.mark.unusual(
    "Data sets and folders",
    "`gbaseg show` in a fresh clone",
    "the committed table, and that nothing of it was run here",
)
def test_a_fresh_clone_says_that_nothing_was_run_here(clone):
    assert strangers(ROUNDS) == {}
    result = call("show")
    assert result.exit_code == 0
    assert "nothing of this was run in this folder" in result.stdout


@pytest.mark.unusual(
    "Data sets and folders",
    "one's own data set is named, nothing or `standardise` alone has run; `gbaseg show`, `tables workspace`",
    "the committed metrics of the demonstration are not shown; whose they are",
)
def test_another_data_set(clone):
    change("params.yaml", "root: data/raw/phantom ", "root: data/raw/mine ")
    for arguments in (["show"], ["tables", "workspace"]):
        result = call(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert 'params.yaml: dataset.root was "data/raw/phantom", is "data/raw/mine"' in result.stderr
        assert "metrics/round_0.json" in result.stderr
    assert not Path("tables").exists()


def test_standardise_alone_has_run(clone):
    """Parameters are those of the run, but what the later stages were made from is no longer here."""

    def run_again(stages):
        [out] = [out for out in stages["standardise"]["outs"] if out["path"] == "data/standard"]
        out["md5"] = f"{'0' * 32}.dir"

    lock(run_again)
    assert set(strangers(ROUNDS).values()) == {"made from another data/standard"}
    # That its own metrics are new is seen, too.
    assert strangers([Path("metrics/data.json")]) == {}


def test_one_round_is_shown_without_the_others(clone):
    change("params.yaml", "epochs: 14 # of each", "epochs: 15 # of each")
    result = call("show")
    assert result.exit_code == 0
    assert "survey" in result.stdout
    assert "\nround_0 " not in result.stdout
    assert (
        "of another run: metrics/round_0.json, metrics/round_1.json (params.yaml: segmentation.epochs was 14, is 15)"
        in " ".join(result.stdout.split("\n"))
    )


def test_a_round_that_is_not_there_yet_is_named(clone):
    Path("metrics/round_1.json").unlink()
    result = call("show")
    assert result.exit_code == 0
    assert "not there yet: metrics/round_1.json; `dvc repro` makes it" in result.stdout


def test_another_recipe(clone):
    number = YAML(typ="safe").load(Path("recipes.yaml").read_text())["train_translation"]
    change("recipes.yaml", f"train_translation: {number}", f"train_translation: {number + 1}")
    with pytest.raises(UserError, match=rf"recipes\.yaml: train_translation was {number}, is {number + 1}"):
        refuse_strangers(ROUNDS)


def test_what_was_made_by_hand_is_this_runs(clone):
    """Its bytes are not those that dvc.lock tells of."""
    change("params.yaml", "root: data/raw/phantom ", "root: data/raw/mine ")
    for file in ROUNDS:
        file.write_text(json.dumps(json.loads(file.read_text())))
    assert strangers(ROUNDS) == {}


def test_without_a_lock_and_git_everything_here_was_made_here(clone):
    """Nothing tells of anything else; plots are a folder, and not in git."""
    Path("dvc.lock").unlink()
    change("params.yaml", "root: data/raw/phantom ", "root: data/raw/mine ")
    layout.PLOTS.mkdir(parents=True)
    assert strangers([*ROUNDS, layout.PLOTS]) == {}


CAME_WITH_GIT = "as it came with git; not made here"


def git(*arguments):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(clone):
    """The same with its commit."""
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "demonstration")
    return clone


@pytest.mark.unusual(
    "Data sets and folders",
    "dvc.lock is removed, or has lost a stage, in a clone with the demonstration's metrics",
    "they are not shown: as they came with git; what was made here since is",
)
def test_without_a_lock_the_committed_metrics_came_with_git(repository):
    Path("dvc.lock").unlink()
    assert strangers([*ROUNDS, layout.PLOTS]) == dict.fromkeys(ROUNDS, CAME_WITH_GIT)
    result = call("show")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"metrics/round_1.json ({CAME_WITH_GIT})" in result.stderr
    # Made here: its bytes are not the commit's; or git has none of it.
    made, new = ROUNDS[2], Path("metrics/round_7.json")
    made.write_text(json.dumps(json.loads(made.read_text())))
    shutil.copyfile(made, new)
    assert strangers([*ROUNDS, new]) == dict.fromkeys(ROUNDS[:2], CAME_WITH_GIT)
    result = call("show")
    assert result.exit_code == 0 and "\nround_1 " in result.stdout and "\nround_0 " not in result.stdout


def test_a_stage_that_the_lock_has_lost(repository):
    lock(lambda stages: stages.pop("evaluate@round1"))
    assert strangers(ROUNDS) == {ROUNDS[2]: CAME_WITH_GIT}


def test_a_project_below_its_repositorys_top(repository, monkeypatch):
    Path("sub").mkdir()
    for name in ("metrics", "params.yaml", "recipes.yaml"):
        Path(name).rename(Path("sub", name))
    git("add", "-A")
    git("commit", "-qm", "moved")
    monkeypatch.chdir("sub")
    assert strangers(ROUNDS) == dict.fromkeys(ROUNDS, CAME_WITH_GIT)


def test_a_folder_goes_by_its_stage(clone):
    layout.AUGMENTED.mkdir(parents=True)
    assert strangers([layout.AUGMENTED, layout.TRANSLATED]) == {}
    change("params.yaml", "arm: gba ", "arm: naive ")
    assert strangers([layout.AUGMENTED, layout.TRANSLATED]) == {
        layout.AUGMENTED: 'params.yaml: augmentation.arm was "gba", is "naive"'
    }


@pytest.mark.unusual(
    "git, DVC and settings", "dvc.lock with a merge's marks in it, or empty", "the line; how to bring it back"
)
def test_a_lock_that_is_none(clone):
    text = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(f"{text}<<<<<<< HEAD\n")
    with pytest.raises(UserError, match=r"dvc\.lock is not valid YAML, line \d+"):
        strangers(ROUNDS)
    Path("dvc.lock").write_text("")
    with pytest.raises(UserError, match=r"dvc\.lock: no stages; `git checkout dvc\.lock`"):
        strangers(ROUNDS)


def test_the_lock_names_the_metrics_that_are_committed():
    """Otherwise the demonstration's would pass for somebody's own."""
    stages = YAML(typ="safe").load((ROOT / "dvc.lock").read_text())["stages"]
    noted = {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}
    for file in (ROOT / "metrics").rglob("*.json"):
        name = file.relative_to(ROOT).as_posix()
        if name in noted and name != "metrics/leaderboard.json":
            assert hashlib.md5(file.read_bytes()).hexdigest() == noted[name], name


def test_a_stage_that_is_no_longer_there_made_nothing_of_what_is(clone):
    """DVC leaves it in dvc.lock."""
    shutil.copyfile(ROOT / "dvc.yaml", "dvc.yaml")
    path = Path("metrics/proxies/round_0.json")
    of_before = {
        "cmd": "gbaseg proxies round_0",
        "params": {"params.yaml": {"seed": 1000}},
        "outs": [{"path": str(path), "md5": hashlib.md5(path.read_bytes()).hexdigest()}],
    }
    assert strangers([path]) == {}
    lock(lambda stages: stages.update({"proxies@round0": of_before}))
    assert strangers([path]) == {}
    Path("dvc.yaml").unlink()
    assert "seed was 1000, is 1" in strangers([path])[path]


def test_a_round_that_was_taken_away_made_nothing_of_what_is(clone):
    """A run of three rounds, then one of two: DVC keeps the third's lines, of which the pictures are not made."""
    shutil.copyfile(ROOT / "dvc.yaml", "dvc.yaml")
    layout.PLOTS.mkdir()
    pictured = [layout.PLOTS]
    assert strangers(pictured) == {}

    def with_a_third(stages):
        for name in ("train_segmentation", "pseudo_label", "evaluate"):
            text = json.dumps(stages[f"{name}@round1"])
            third = json.loads(text.replace("round_1", "round_2"))
            for dependency in third["deps"]:
                dependency["md5"] = "0" * 32
            stages[f"{name}@round2"] = third

    lock(with_a_third)
    assert strangers(pictured) == {}
