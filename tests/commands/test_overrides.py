"""What `-S KEY=VALUE` may say: keys and values of params.yaml, and none that an experiment sets by itself."""

import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.commands.overrides import _override_fault, check_further, settings_with
from gbaseg.commands.planned import plan_arms
from gbaseg.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param(
            "dataset.root=/d/a(b)", """such a value stands in quotes of its own: -S 'dataset.root="/d/a(b)"'""",
            marks=pytest.mark.unusual(
                "git, DVC and settings", "`-S` with a value that needs quoting: brackets, commas, =, umlauts",
                "the same, as it is to be written",
            )),
        ("dataset.root=/d/a,b", """-S 'dataset.root="/d/a,b"'"""),
        ("dataset.root=/d/a=b", """-S 'dataset.root="/d/a=b"'"""),
        ("dataset.root=/d/ü", """-S 'dataset.root="/d/ü"'"""),
        ("seed=1,2", "a list: -S 'seed=[A,B]'"),
        pytest.param("sed=3", "sed: no such key; did you mean 'seed'?", marks=pytest.mark.unusual(
            "git, DVC and settings", "`-S` with a key that there is not", "the nearest one, and those there are",
        )),
        ("augmentation.rules.7.name=x", "no such key (allowed there: 0)"),
        ("+seed=3", "none is added or taken away"),
        ("dataset.root=data/standard/x", "lies in data/standard"),
    ],
)  # fmt: skip
def test_a_setting_that_is_none_says_how_to_write_it(tmp_path, monkeypatch, value, says):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    result = CliRunner().invoke(main, ("ablation", "arms", "-S", value))
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_what_is_said_to_be_right_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "presets/default.yaml", "params.yaml")
    for value in ("/d/a(b)", "/d/it's", 'a"b\\c,d', 'a\\"b,', "a,\\", "x=y"):
        right = shlex.split(_override_fault(f"dataset.root={value}", {"dataset": {"root": ""}}).split(": -S ")[1])[0]
        assert settings_with([right.removesuffix(";")])["dataset"]["root"] == value


@pytest.mark.unusual(
    "git, DVC and settings", "`-S seed=3`, or another key that the arms or seeds set", "the key, and whose it is"
)
@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["seed=3"], "--set seed: set by the experiments themselves (none-seed-1, gba-seed-1, none-seed-2 and 1 more)"),
        (["augmentation={arm:gba}"], "--set augmentation: set by the experiments themselves (none-seed-1,"),
        (["translation.mode=none", "survey.epochs=2"], "--set translation.mode: set by"),
        (["survey.epochs=1", "survey.epochs=2"], "--set survey.epochs: 2 times"),
    ],
)
def test_what_an_experiment_is_named_for_is_not_set_otherwise(extra, says):
    own = {one.name: list(one.settings) for one in plan_arms(["none", "gba"], [1, 2], "cyclegan")}
    with pytest.raises(UserError) as raised:
        check_further(extra, own)
    assert str(raised.value).startswith(says) and "\n" not in str(raised.value)
    check_further(["survey.epochs=2", "seeds=1"], own)
