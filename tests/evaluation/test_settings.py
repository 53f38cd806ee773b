"""The section `evaluation` of params.yaml."""

import pytest
from pydantic import ValidationError

from gbaseg.evaluation.settings import EMPTY_ASSD_MM, LOW_DICE, EvaluationSettings


def test_defaults_are_the_challenge_s():
    settings = EvaluationSettings()
    assert settings.splits == ("validation", "test")
    assert settings.empty_assd_mm == EMPTY_ASSD_MM == 350.0
    assert settings.low_dice == LOW_DICE == (0.4, 0.5)


@pytest.mark.parametrize(("low_dice", "shown"), [((0.4, 0.5), 0.4), ((0.3,), 0.3), ((), 0.4)])
def test_the_table_of_rounds_shows_the_first_threshold_that_is_counted(low_dice, shown):
    assert EvaluationSettings(low_dice=low_dice).shown_low_dice == shown


def test_lists_of_yaml_are_taken():
    settings = EvaluationSettings.model_validate({"splits": ["test"], "low_dice": [0.3]})
    assert settings.splits == ("test",) and settings.low_dice == (0.3,)


@pytest.mark.parametrize(
    "wrong", [{"splits": ["held out"]}, {"splits": []}, {"empty_assd_mm": 0}, {"low_dice": [40]}, {"spilts": ["test"]}]
)
def test_wrong_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        EvaluationSettings.model_validate(wrong)


def test_every_number_is_described():
    assert all(field.description for field in EvaluationSettings.model_fields.values())
