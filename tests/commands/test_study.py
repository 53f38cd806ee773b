"""The arms of a study, what they set, and what is said of it; experiments of it are in test_study_run.py."""

import json
import shlex
from pathlib import Path

import pytest

from gbaseg import params
from gbaseg.commands import study
from gbaseg.commands.ablation import Standing
from gbaseg.commands.overrides import in_hydra, settings_with
from gbaseg.commands.planned import plan_arms
from gbaseg.commands.study_arms import ARMS, choose_arms, plan_study
from gbaseg.errors import UserError
from gbaseg.planning.factors import choose_factors

pytestmark = pytest.mark.usefixtures("as_shipped")


def a_plans_own():
    """params.yaml as `gbaseg plan` leaves it: no factor by hand."""
    rules = [{"name": "all", "structure": "VS", "lambdas": [], "adaptive": 6, "k_star": [1, 2]}]
    return params.check(settings_with([f"augmentation.rules={in_hydra(rules)}", "survey.lambdas=[]"]))


@pytest.mark.parametrize(
    "value",
    [
        True, None, 3, -0.5, 1e-05, [], "", "no", "1e3", "null", "a,b", "a: b", "[x]", "{y}", "ü ß", "it's", 'say "a"',
        "back\\slash", "end\\", '\\"', "${seed}", "x=y", [1, [2.5, "a"], []], {"a": None, "b-c": [True, {"d": "1"}]},
        [{"name": "all", "centres": "both", "lambdas": [], "above": None}, {"name": "no", "k_star": [1, 3]}],
    ],
)  # fmt: skip
def test_a_value_comes_out_of_hydra_as_it_went_in(value):
    """`Params` would refuse most of these: it is hydra's and DVC's part of the way that is looked at."""
    from dvc.utils.hydra import apply_overrides
    from ruamel.yaml import YAML

    Path("free.yaml").write_text("key: 1\nother: [{a: 1}]\nrules:\n  - {name: x, old: 3}\n")
    apply_overrides("free.yaml", [f"key={in_hydra(value)}", f"rules={in_hydra([value])}"])
    found = YAML(typ="safe").load(Path("free.yaml"))
    assert found == {"key": value, "other": [{"a": 1}], "rules": [value]}
    assert type(found["key"]) is type(value)


def test_a_key_that_hydra_has_no_word_for_is_refused():
    with pytest.raises(UserError, match="'a b': no key of a setting"):
        in_hydra({"a b": 1})


def test_every_arm_is_one_that_params_yaml_allows_and_each_has_its_name():
    settings = params.load()
    planned = plan_study(ARMS, [4, 5], settings)
    assert [one.name for one in planned[:7]] == [f"{arm.name}-seed-4" for arm in ARMS]
    assert len({one.name for one in planned}) == 14
    contents = {one.name: settings_with(one.overrides) for one in planned}
    assert len({json.dumps(content, default=str) for content in contents.values()}) == 14
    assert contents["naive-seed-5"]["seed"] == 5


def test_the_copies_of_auto_are_those_of_a_plan():
    settings = params.load()
    [auto] = plan_study([arm for arm in ARMS if arm.name == "auto"], [1], settings)
    content = params.check(settings_with(auto.overrides))
    choices = {choice.key: choice.value for choice in choose_factors({"VS": 1}, [1, 3])}
    [rule] = content.augmentation.rules
    assert (rule.lambdas, rule.adaptive) == ([], choices["augmentation.rules"][0]["adaptive"])
    assert (list(content.survey.lambdas), content.survey.contrasts) == ([], choices["survey.contrasts"])
    assert (content.translation.mode, content.augmentation.arm) == ("auto", "gba")
    # All else is as params.yaml has it.
    assert content.segmentation == settings.segmentation and content.translation.auto == settings.translation.auto


def test_settings_that_ablation_has_too_have_its_names():
    """What the one has run the other passes over."""
    ours = {one.name: settings_with(one.overrides) for one in plan_study(ARMS, [1], params.load())}
    theirs = [
        *plan_arms(["no-adaptation", "none", "naive", "gba"], [1], "cyclegan"),
        *plan_arms(["none"], [1], "histogram"),
        *plan_arms(["none"], [1], "randomise"),
    ]
    assert ours.keys() - {one.name for one in theirs} == {"auto-seed-1"}
    for one in theirs:
        assert ours[one.name] == settings_with(one.overrides)


@pytest.mark.unusual("Commands", "`study --arms naive` where nobody has set a factor", "what to set")
def test_without_factors_by_hand_their_arms_are_left_out_and_autos_rules_are_the_plans():
    settings = a_plans_own()
    chosen, left_out = choose_arms([], settings)
    assert left_out == ["naive", "gba"] and [arm.name for arm in chosen][-1] == "auto" and len(chosen) == 4
    [auto] = plan_study([chosen[-1]], [1], settings)
    assert not [key for key in auto.settings if key.startswith(("augmentation.rules", "survey"))]
    with pytest.raises(UserError, match=r"--arms naive: no factor is set by hand in params.yaml"):
        choose_arms(["naive", "auto"], settings)


def test_an_arm_that_is_to_be_asked_for_is_in_its_place_where_it_is():
    settings = params.load()
    assert "none" not in [arm.name for arm in choose_arms([], settings)[0]]
    assert [arm.name for arm in choose_arms(["gba", "none", "no-adaptation"], settings)[0]] == [
        "no-adaptation", "none", "gba",
    ]  # fmt: skip


def test_unknown_arms_are_named_with_those_there_are():
    with pytest.raises(UserError, match="--arms gbaa: no such arm; there are: no-adaptation, histogram-none"):
        choose_arms(["gbaa", "auto"], params.load())


def standing_of(arms, seeds, done=(), waiting=()):
    planned = plan_study([arm for arm in ARMS if arm.name in arms], seeds, params.load())
    return Standing(planned, {one.name: settings_with(one.overrides) for one in planned}, set(done), set(waiting))


def grid(standing):
    return study._grid_seconds(standing, study._forecasts(standing))


def test_stages_that_runs_share_count_once():
    """naive and gba of a seed have one translation and one survey; another seed has nothing of them."""
    naive, gba = (grid(standing_of([arm], [1]))[0] for arm in ("naive", "gba"))
    both, left = grid(standing_of(["naive", "gba"], [1]))
    assert max(naive, gba) < both < 0.8 * (naive + gba)
    assert left == pytest.approx(both)
    assert grid(standing_of(["naive", "gba"], [1, 2]))[0] == pytest.approx(2 * both)


def test_what_is_left_is_without_what_done_runs_have_made():
    whole, left = grid(standing_of(["naive", "gba"], [1], done=["naive-seed-1"]))
    assert left == pytest.approx(whole - grid(standing_of(["naive"], [1]))[0])
    assert grid(standing_of(["naive", "gba"], [1], done=["naive-seed-1", "gba-seed-1"]))[1] == 0
    # What waits in the queue takes its time still.
    assert grid(standing_of(["naive"], [1], waiting=["naive-seed-1"]))[1] > 0


def test_it_says_what_there_is_to_do_before_it_does_it(capsys):
    planned = study.plan(["naive", "auto"], [1, 2], [])
    study._say(planned, standing_of(["naive", "auto"], [1, 2], done=["naive-seed-1"], waiting=["naive-seed-2"]))
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line for line in printed.splitlines() if line.startswith(("naive", "auto"))}
    assert rows["naive"].split()[-6:-3] == ["1", "1", "0"] and rows["auto"].split()[-6:-3] == ["0", "0", "2"]
    assert "4 runs: about" in printed and "for the 3 left" in printed and "for the whole grid, by 2-cores" in printed


def test_a_pipeline_of_somebodys_own_has_no_forecast(capsys):
    Path("dvc.yaml").write_text("stages: {mine: {foreach: [1, 2], do: {cmd: make}}}\n")
    study._say(study.plan(["naive"], [1], []), standing_of(["naive"], [1]))
    assert "how long it takes is not known" in capsys.readouterr().out


def test_the_command_that_is_said_to_lay_it_out_is_that_of_these_runs():
    """Without the arms, seeds and settings it would look for others."""
    planned = study.plan(["auto", "naive"], [4, 5], ["evaluation.oracle=true", "dataset.root='/d/a b'"])
    assert shlex.split(planned.tables_command()) == [
        "gbaseg", "study", "--tables", "--arms", "naive,auto", "--seeds", "4,5",
        "-S", "evaluation.oracle=true", "-S", "dataset.root='/d/a b'",
    ]  # fmt: skip
