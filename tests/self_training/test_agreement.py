"""Agreement of two rounds' pseudo-labels, and the three stop rules."""

import numpy as np
import pytest

from gbaseg.self_training.agreement import Agreement, agreement, stops
from gbaseg.self_training.settings import SelfTrainingSettings


def labels(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)[None, None]


def test_agreement_is_the_mean_dice_over_cases_and_structures():
    pairs = [
        (labels(1, 1, 0, 2), labels(1, 0, 0, 2)),  # 1: 2/3, 2: 1
        (labels(0, 1, 1, 0), labels(2, 1, 1, 1)),  # 1: 4/5, 2: 0
    ]
    assert agreement(pairs, [1, 2]).dice == pytest.approx((2 / 3 + 1 + 4 / 5 + 0) / 4)
    assert agreement(pairs, [1]).dice == pytest.approx((2 / 3 + 4 / 5) / 2)


@pytest.mark.parametrize(
    ("before", "now", "dice"),
    [
        (labels(1, 1, 0), labels(1, 1, 0), 1.0),
        (labels(1, 0, 0), labels(0, 0, 0), 0.0),
        (labels(1, 0, 0), labels(0, 0, 1), 0.0),
    ],
)
def test_agreement_of_equal_and_disjoint_labels(before, now, dice):
    assert agreement([(before, now)], [1]) == Agreement(dice, 0)
    assert agreement([(now, before)], [1]) == Agreement(dice, 0)


def test_pairs_that_are_both_empty_are_left_out_and_counted():
    """As agreement they would make a model that finds nothing the best of all."""
    nothing = (labels(0, 0, 0), labels(0, 0, 0))
    something = (labels(1, 1, 0), labels(1, 0, 0))
    assert agreement([nothing, something, nothing], [1]) == Agreement(pytest.approx(2 / 3), 2)
    assert agreement([nothing, nothing], [1]) == Agreement(None, 2)
    assert agreement([something], [1, 2]) == Agreement(pytest.approx(2 / 3), 1)  # no structure 2 in either round


def test_agreement_reads_generators_and_is_undefined_without_cases():
    pair = (labels(1, 0), labels(1, 0))
    assert agreement((pair for _ in range(3)), {"VS": 1}.values()) == Agreement(1.0, 0)
    assert agreement([], [1]) == Agreement(None, 0)


@pytest.mark.parametrize(("agrees", "stop"), [(None, False), (0.9, False), (0.997, False), (0.9971, True), (1.0, True)])
def test_rule_agreement_stops_above_its_number_and_reads_no_dice(agrees, stop):
    settings = SelfTrainingSettings(stop="agreement")
    for dice in (None, 0.8):
        assert stops(settings, agrees, dice, dice) is stop


# Numbers that floats hold exactly: the change itself does not stop, anything less does, up or down.
@pytest.mark.parametrize(
    ("before", "now", "stop"),
    [
        (0.5, 0.75, False),
        (0.75, 0.5, False),
        (0.5, 0.74, True),
        (0.74, 0.5, True),
        (0.5, 0.5, True),
        (0.25, 0.75, False),
    ],
)
def test_rule_validation_dice_stops_below_its_change_and_reads_no_agreement(before, now, stop):
    settings = SelfTrainingSettings(stop="validation_dice", dice_change_below=0.25)
    for agrees in (None, 1.0):
        assert stops(settings, agrees, before, now) is stop


@pytest.mark.parametrize(("before", "now"), [(None, None), (0.75, None), (None, 0.75)])
def test_rule_validation_dice_goes_by_agreement_where_there_is_no_dice(before, now):
    """METHOD 6: no labelled validation cases."""
    settings = SelfTrainingSettings(stop="validation_dice")
    assert [stops(settings, agrees, before, now) for agrees in (None, 0.997, 0.998)] == [False, False, True]


def test_the_papers_dice_before_and_after_round_3():
    """METHOD 6: a move of less than 0.3 % stops."""
    settings = SelfTrainingSettings(stop="validation_dice")
    assert stops(settings, None, 0.866, 0.868)
    assert not stops(settings, None, 0.847, 0.868)


def test_rule_never_runs_all_rounds():
    assert stops(SelfTrainingSettings(stop="never"), 1.0, 0.8, 0.8) is False
