"""What every stage starts with."""

import contextlib
import shutil
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime.room import DiskFault
from gbaseg.workflow.context import stage


class Broken(Exception):
    pass


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(Path(__file__).parents[2] / "presets/default.yaml", "params.yaml")


@pytest.mark.parametrize("name", ["train_segmentation/round_1", "train_singan"])
def test_interrupted_work_is_found_again_until_the_stage_s_own_recipe_is_raised(name):
    recipes, own = Path("recipes.yaml"), name.split("/")[0]

    def checkpoints_of_a_try():
        with contextlib.suppress(Broken), stage(name, {"seed": 1}, [], [Path("out")], resumable=True) as scratch:
            there = len(list(scratch.work.iterdir()))
            (scratch.work / "checkpoint").touch()
            raise Broken
        return there

    recipes.write_text(f"{own}: 1\nsurvey: 1\n")
    assert checkpoints_of_a_try() == 0
    recipes.write_text(f"# Another stage's, and a comment.\n{own}: 1\nsurvey: 2\n")
    assert checkpoints_of_a_try() == 1
    recipes.write_text(f"{own}: 2\nsurvey: 2\n")
    assert checkpoints_of_a_try() == 0


def test_a_recipe_that_is_not_there_is_named():
    Path("recipes.yaml").write_text("survey: 1\n")
    with (
        pytest.raises(UserError, match=r"recipes\.yaml: .*train_singan"),
        stage("train_singan", {}, [], [Path("out")], resumable=True),
    ):
        pass


@pytest.mark.unusual(
    "Interruptions", "a disk that gets full while a stage works", "one line: where, bytes free, what goes on from where"
)
@pytest.mark.parametrize(("resumable", "then"), [(True, "goes on from what is done in"), (False, "begins this stage")])
def test_a_full_disk_is_one_line_with_what_goes_on(resumable, then):
    with pytest.raises(DiskFault) as caught, stage("a", {}, [], [Path("out")], resumable=resumable) as scratch:
        (scratch.work / "checkpoint").touch()
        with Path("/dev/full").open("w") as full:
            full.write("x")
    said = str(caught.value)
    assert "no space left" in said and " free; " in said and f"a: the same command {then}" in said
    assert len(said.splitlines()) == 1 and not Path("out").exists()
    assert list(Path(".scratch").glob("a*/work/checkpoint"))
