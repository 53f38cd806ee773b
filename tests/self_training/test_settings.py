"""The chain of rounds, and what is refused."""

import pytest
from pydantic import ValidationError

from gbaseg.errors import UserError
from gbaseg.self_training.settings import ConfidenceSettings, Round, SelfTrainingSettings, SurveySettings


def rounds(*links: tuple[str, str], last: int = -1) -> list[dict]:
    flags = [False] * len(links)
    flags[last] = True
    return [{"id": id_, "prev": prev, "last": flag} for (id_, prev), flag in zip(links, flags, strict=True)]


def test_defaults_are_the_papers():
    settings = SelfTrainingSettings()
    assert [(item.id, item.prev, item.last) for item in settings.rounds] == [
        ("round_0", "survey", False),
        ("round_1", "round_0", False),
        ("round_2", "round_1", False),
        ("round_3", "round_2", True),
    ]
    assert (settings.agreement_above, settings.dice_change_below) == (0.997, 0.003)
    assert settings.confidence.action == "keep"
    assert SurveySettings().lambdas == ()


def test_a_round_is_found_by_its_id():
    settings = SelfTrainingSettings(rounds=rounds(("first", "survey"), ("second", "first")))
    assert settings.round("second") == Round(id="second", prev="first", last=True)
    assert settings.last == "second"
    with pytest.raises(UserError, match=r"third: no such round; self_training\.rounds of params\.yaml has first, sec"):
        settings.round("third")
    with pytest.raises(UserError, match="survey: no such round"):
        settings.round("survey")


def test_one_round_is_enough():
    assert SelfTrainingSettings(rounds=rounds(("only", "survey"))).last == "only"


@pytest.mark.parametrize(
    ("chain", "complaint"),
    [
        (rounds(("a", "b")), r"round a: prev is 'b', allowed here: 'survey'"),
        (rounds(("a", "survey"), ("b", "survey")), r"round b: prev is 'survey', allowed here: 'a'"),
        (rounds(("a", "survey"), ("b", "a"), ("c", "a")), r"round c: prev is 'a', allowed here: 'b'"),
        (rounds(("b", "a"), ("a", "survey")), r"round b: prev is 'a', allowed here: 'survey'"),
        (rounds(("a", "survey"), ("a", "a")), "each with an id of its own"),
        (rounds(("survey", "survey")), "none called 'survey'"),
        ([], "at least one round"),
        (rounds(("a", "survey"), ("b", "a"), last=0), "round a: last is true; true for the last round alone"),
        ([{"id": "a", "prev": "survey", "last": False}], "round a: last is false"),
        (rounds(("a b", "survey")), "pattern"),
        (rounds(("a/b", "survey")), "pattern"),
        (rounds(("", "survey")), "pattern"),
        ([{"id": "a", "prev": "survey"}], r"rounds\.0\.last"),
    ],
)
def test_a_broken_chain_is_refused(chain, complaint):
    with pytest.raises(ValidationError, match=complaint):
        SelfTrainingSettings(rounds=chain)


@pytest.mark.parametrize(
    ("section", "change"),
    [
        (SelfTrainingSettings, {"stop": "dice"}),
        (SelfTrainingSettings, {"agreement_above": 1.1}),
        (SelfTrainingSettings, {"dice_change_below": 0}),
        (SelfTrainingSettings, {"last_round_set": "target"}),
        (ConfidenceSettings, {"action": "down-weight"}),
        (ConfidenceSettings, {"fold_dice_below": -0.1}),
        (ConfidenceSettings, {"volume_factor": 0.9}),
        (SurveySettings, {"epochs": 0}),
        (SurveySettings, {"lambdas": [0.7, 0.0]}),
    ],
)
def test_values_out_of_range_are_refused(section, change):
    [name] = change
    with pytest.raises(ValidationError, match=name):
        section(**change)
