"""Which stage of how many, against DVC's own order."""

from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gbaseg.errors import UserError
from gbaseg.workflow.itinerary import itinerary, made_of, place_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(as_shipped):
    """The shipped pipeline; writes params.yaml with so many rounds."""

    def settle(rounds):
        content = YAML(typ="safe").load((ROOT / "presets/default.yaml").read_text())
        names = ["survey", *(f"r{number}" for number in range(rounds))]
        content["self_training"]["rounds"] = [
            {"id": one, "prev": before, "last": one == names[-1]} for before, one in pairwise(names)
        ]
        with Path("params.yaml").open("w") as stream:
            YAML().dump(content, stream)

    settle(rounds=2)
    return settle


def dvcs_order():
    from dvc.repo import Repo
    from dvc.repo.reproduce import get_active_graph, plan_repro

    with closing(Repo()) as repo:
        steps = plan_repro(get_active_graph(repo.index.graph), list(repo.index.stages))
        return [step.cmd.split()[1:] for step in steps]


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_the_stages_are_dvcs_in_its_order(project, rounds):
    from dvc.repo import Repo

    project(rounds)
    Repo.init(no_scm=True).close()
    named = [[name.replace("_", "-"), *parts] for name, *parts in (stage.split("/") for stage in itinerary())]
    assert named == [command[: len(one)] for command, one in zip(dvcs_order(), named, strict=True)]
    assert len(named) == 14 + 4 * rounds


def test_each_stage_has_its_place(project):
    stages = itinerary()
    assert place_of("standardise", stages) == "[ 2 of 22] standardise"
    assert place_of("pseudo_label/survey", stages) == "[ 7 of 22] pseudo_label/survey"
    assert place_of("summarise", stages) == "[22 of 22] summarise"
    assert place_of("something", stages) == "something"


def test_a_stage_of_ones_own_counts(project):
    own = "  own:\n    cmd: python own.py\n    deps: [data/standard]\n"
    Path("dvc.yaml").write_text(Path("dvc.yaml").read_text().replace("stages:\n", f"stages:\n{own}"))
    stages = itinerary()
    assert stages[:3] == ["phantom", "standardise", "python own.py"] and len(stages) == 23


@pytest.mark.parametrize(
    "text", ["", "stages: 3\n", "stages:\n  a: {}\n", "stages:\n  a:\n    matrix: {x: '${none}'}\n    cmd: gbaseg a\n"]
)
def test_another_pipeline_is_one_line(project, text):
    Path("dvc.yaml").write_text(text)
    with pytest.raises(UserError, match=r"dvc\.yaml: not the stages of gbaseg") as raised:
        itinerary()
    assert "\n" not in str(raised.value)


def test_no_pipeline_at_all(project):
    Path("dvc.yaml").unlink()
    with pytest.raises(UserError, match=r"dvc\.yaml"):
        itinerary()


def test_runs_share_the_stages_whose_settings_are_the_same_up_to_there(project):
    values = YAML(typ="safe").load(Path("params.yaml").read_text())

    def with_arm(arm, **more):
        return made_of({**values, "augmentation": {**values["augmentation"], "arm": arm}, **more})

    gba, naive, other = with_arm("gba"), with_arm("naive"), with_arm("gba", seed=2)
    assert set(gba) == set(itinerary())
    shared = {name for name in gba if gba[name] == naive[name]}
    assert {"phantom", "train_translation", "translate", "survey", "pseudo_label/survey"} <= shared
    # What follows from the arm, and what reads what follows from it.
    assert not shared & {"train_singan", "augment", "train_segmentation/r0", "evaluate/r1", "summarise"}
    assert not set(gba.values()) & {other[name] for name in ("phantom", "translate", "evaluate/r1", "summarise")}
    assert gba == with_arm("gba")
    assert len(set(gba.values())) == len(gba)


def test_a_key_that_an_older_params_yaml_lacks_goes_by_the_default(project):
    values = YAML(typ="safe").load(Path("params.yaml").read_text())
    before = made_of(values)
    del values["survey"]["contrasts"]
    assert made_of(values)["translate"] != before["translate"]
    assert made_of(values)["standardise"] == before["standardise"]
