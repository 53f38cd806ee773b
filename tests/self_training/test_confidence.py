"""What speaks against a pseudo-label."""

import math

import pytest

from gbaseg.self_training.confidence import doubts
from gbaseg.self_training.settings import ConfidenceSettings

SOUND = {"pairwise_dice": 0.9, "largest_share": 1.0, "volume_mm3": 500.0, "source_range_mm3": (100.0, 4000.0)}
OUTSIDE = "volume outside the source's range"


def of(settings=ConfidenceSettings(), **given) -> list[str]:  # noqa: B008 - frozen
    return doubts(settings, **{**SOUND, **given})


def test_nothing_speaks_against_a_sound_one():
    assert of() == []


# Bounds are the settings' own numbers: 0.7, 0.5, 100 / 2 and 4000 x 2. At the bound there is no doubt.
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"pairwise_dice": 0.7}, []),
        ({"pairwise_dice": 0.69}, ["folds disagree"]),
        ({"pairwise_dice": math.nan}, []),  # a single fold
        ({"largest_share": 0.5}, []),
        ({"largest_share": 0.49}, ["in pieces"]),
        ({"volume_mm3": 50.0}, []),
        ({"volume_mm3": 49.9}, [OUTSIDE]),
        ({"volume_mm3": 8000.0}, []),
        ({"volume_mm3": 8000.1}, [OUTSIDE]),
    ],
)
def test_each_doubt_begins_beyond_its_number(given, expected):
    assert of(**given) == expected


def test_all_doubts_are_named_together():
    assert of(pairwise_dice=0.1, largest_share=0.2, volume_mm3=1.0) == ["in pieces", OUTSIDE, "folds disagree"]


def test_an_empty_one_is_empty_and_nothing_else():
    assert of(volume_mm3=0.0, largest_share=0.0, pairwise_dice=0.0) == ["empty"]


def test_a_mask_that_no_fold_has_is_doubtful_and_a_single_fold_is_not():
    """A low threshold finds one where every fold prefers the background: no pair of folds has a Dice."""
    assert of(pairwise_dice=math.nan, both_empty=3) == ["no fold finds it by itself"]
    assert of(pairwise_dice=math.nan, both_empty=0) == []
    assert of(pairwise_dice=math.nan, both_empty=3, volume_mm3=0.0) == ["empty"]


def test_numbers_are_those_of_the_settings():
    strict = ConfidenceSettings(fold_dice_below=0.95, largest_share_below=1.0, volume_factor=1.0)
    assert of(strict, largest_share=0.99, volume_mm3=99.0) == ["in pieces", OUTSIDE, "folds disagree"]
    assert of(strict, pairwise_dice=0.95, volume_mm3=100.0) == []


def test_a_small_tumour_in_one_piece_survives():
    """Judged relative to size: a few voxels of the source's smallest tumours are as good as any."""
    assert of(volume_mm3=60.0, pairwise_dice=0.75, largest_share=0.8) == []
