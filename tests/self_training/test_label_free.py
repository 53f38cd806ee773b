"""Ways to train ranked without labels: what finds nothing, or everything, is never the best."""

import numpy as np
import pytest

from gbaseg.self_training.label_free import (
    Disturbance,
    Found,
    Kind,
    Rated,
    best,
    chance_of_trainings,
    is_ranked,
    look_at,
    rate,
    simplest,
    told_apart,
)

SHAPE = (6, 20, 20)
RANGES = {1: (20.0, 400.0)}


def ball(size, at=5):
    mask = np.zeros(SHAPE, np.uint8)
    mask[1 : 1 + size, at : at + size, at : at + size] = 1
    return mask


def way(*masks):
    """Of every case the seeds' masks, plain and disturbed alike."""
    return rate([look_at(Found(pair, pair, 1.0), RANGES) for pair in masks])


def test_seeds_that_agree_are_better_than_seeds_that_do_not():
    same, apart = way((ball(4), ball(4)), (ball(5), ball(5))), way((ball(4), ball(4, 7)), (ball(5), ball(5, 8)))
    assert same.agreement == same.consistency == same.plausible == same.score == 1.0
    # Overlap of 4 x 2 x 2 and 5 x 2 x 2 voxels.
    assert apart.agreement == pytest.approx(np.mean([16 / 64, 20 / 125]))
    assert best({"apart": apart, "same": same}) == "same"


def test_a_model_that_changes_its_mind_is_worse():
    found = rate([look_at(Found((ball(4), ball(4)), (ball(4, 7), ball(4)), 1.0), RANGES)])
    assert found.agreement == 1.0 and found.consistency == pytest.approx((16 / 64 + 1) / 2)
    assert found.by_case == (pytest.approx(found.consistency),)


def test_what_finds_nothing_or_everything_is_never_chosen():
    """Both agree with themselves entirely, whatever is done to the image."""
    nothing, everything = np.zeros(SHAPE, np.uint8), np.ones(SHAPE, np.uint8)
    collapsed = {"empty": way((nothing, nothing)), "full": way((everything, everything))}
    assert collapsed["empty"].agreement is None and collapsed["full"].agreement == 1.0
    assert [one.score for one in collapsed.values()] == [0.0, 0.0]
    assert not is_ranked(collapsed.values())
    poor = way((ball(4), ball(4, 7)))
    assert best({**collapsed, "poor": poor}) == "poor" and is_ranked([poor])


def test_a_structure_that_one_seed_misses_counts_and_one_that_both_miss_does_not():
    nothing = np.zeros(SHAPE, np.uint8)
    assert way((ball(4), nothing)).agreement == 0.0
    half = way((ball(4), ball(4)), (nothing, nothing))
    assert (half.agreement, half.plausible) == (1.0, 0.5)


def test_volumes_that_the_source_nearly_has_are_plausible():
    assert [way((ball(size), ball(size))).plausible for size in (2, 3, 5)] == [0.0, 1.0, 1.0]
    assert rate([look_at(Found(*[(ball(2), ball(2))] * 2, 8.0), RANGES)]).plausible == 1.0  # 64 mm3


def test_a_disturbance_is_undone_where_the_image_held_it():
    image = 0.2 + 0.5 * ball(4).astype(np.float32)
    for number in range(8):
        done = Disturbance.draw(np.random.default_rng(number))
        disturbed = done.of_image(image)
        assert disturbed.dtype == np.float32 and disturbed.min() >= 0.0 and disturbed.max() <= 1.0
        assert np.array_equal(disturbed, done.of_image(image))
        bright = 0.7**done.gamma
        found = done.undone((np.abs(disturbed - bright) < 0.15).astype(np.uint8))
        assert np.array_equal(found, ball(4))
        assert not np.allclose(disturbed, image, atol=0.05)


def test_ways_are_told_apart_by_their_cases():
    def rated(values):
        return Rated(0.5, 1.0, 1.0, tuple(values))

    found = {"a": rated([0.8, 0.7, 0.9, 0.8]), "b": rated([0.3, 0.4, 0.3, 0.2]), "c": rated([0.9, 0.5, 1.0, 0.7])}
    assert told_apart(found, "a") == ["b"]
    assert told_apart(found, "b") == []


def test_of_three_seeds_the_score_without_each_is_as_if_it_had_not_been_trained():
    seeds = [(ball(4), ball(4), ball(4, 7)), (ball(5), ball(4), ball(5, 8))]
    pairs = [[(case[a], case[b]) for case in seeds] for a, b in ((1, 2), (0, 2), (0, 1))]
    assert way(*seeds).without_one == tuple(way(*pair).score for pair in pairs)
    assert way(*pairs[0]).without_one == ()


def test_chance_of_trainings_is_the_jackknifes():
    def rated(*without_one):
        return Rated(0.5, 1.0, 1.0, (0.5, 0.5), without_one)

    values = np.array([0.5, 0.6, 0.7])
    by_hand = 2 / 3 * np.sum((values - values.mean()) ** 2)
    assert chance_of_trainings([rated(*values)]) == pytest.approx(by_hand)
    assert chance_of_trainings([rated(*values), rated(0.4, 0.4, 0.4)]) == pytest.approx(by_hand / 2)
    collapsed = Rated(None, None, 0.0, (0.0, 0.0), (0.0, 0.0, 0.0))
    assert chance_of_trainings([rated(*values), collapsed]) == pytest.approx(by_hand)
    assert chance_of_trainings([rated(), rated()]) == 0.0, "two seeds say nothing"


def test_ways_that_other_seeds_might_put_the_other_way_round_are_not_told_apart():
    cases = {"none": (0.60, 0.62, 0.61), "histogram": (0.66, 0.68, 0.67)}

    def ways(*off):
        return {
            name: Rated(np.mean(found), 1.0, 1.0, found, tuple(np.mean(found) + np.array(off)))
            for name, found in cases.items()
        }

    assert told_apart(ways(), "histogram") == ["none"]
    assert told_apart(ways(-0.01, 0.0, 0.01), "histogram") == ["none"]
    assert told_apart(ways(-0.04, 0.0, 0.04), "histogram") == []


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        pytest.param({"none": [0.3, 0.4, 0.3], "cyclegan": [0.8, 0.8, 0.9]}, "cyclegan", id="better beyond chance"),
        pytest.param({"none": [0.5, 0.8, 0.3], "cyclegan": [0.6, 0.7, 0.5]}, "none", id="within one error"),
        pytest.param({"none": [0.5, 0.7, 0.3], "cyclegan": [0.6, 0.7, 0.5]}, "cyclegan", id="but by one error"),
        pytest.param({"none": [0.6, 0.7, 0.5], "cyclegan": [0.5, 0.8, 0.3]}, "none", id="the best is the simplest"),
        pytest.param({"none": [0.0, 0.0, 0.0], "cyclegan": [0.9, 0.0, 0.0]}, "cyclegan", id="nothing is never chosen"),
        pytest.param(
            {"none": [0.2, 0.2, 0.3], "histogram": [0.5, 0.6, 0.7], "cyclegan": [0.6, 0.5, 0.8]},
            "histogram",
            id="three",
        ),
        pytest.param({"none": [0.6, 0.8, 0.6], "randomise": [0.5, 0.8, 0.5]}, "randomise", id="contrasts at random"),
        pytest.param({"none": [0.7, 0.8, 0.6], "randomise": [0.2, 0.3, 0.2]}, "none", id="which have been learnt"),
        pytest.param({"none": [0.7, 0.8, 0.6], "randomise": [0.5, 0.5, 0.5]}, "randomise", id="if with lower scores"),
        pytest.param(
            {"none": [0.4, 0.8, 0.5], "randomise": [0.4, 0.4, 0.4], "histogram": [0.5, 0.7, 0.6]},
            "randomise",
            id="for none that is near the best",
        ),
        pytest.param(
            {"none": [0.3, 0.3, 0.3], "randomise": [0.4, 0.4, 0.4], "cyclegan": [0.8, 0.8, 0.9]},
            "cyclegan",
            id="but not for a translation that is",
        ),
        pytest.param(
            {"none": [0.3, 0.3, 0.3], "randomise": [0.4, 0.3, 0.4], "histogram": [0.5, 0.7, 0.6]},
            "randomise",
            id="and for contrasts in their order",
        ),
        pytest.param(
            {"none": [0.3, 0.3, 0.3], "randomise": [0.2, 0.3, 0.2], "histogram": [0.5, 0.7, 0.6]},
            "histogram",
            id="if those at random have been learnt",
        ),
    ],
)
def test_more_has_to_be_better_by_more_than_one_standard_error(ways, expected):
    rated = {name: Rated(sum(found) / len(found), 1.0, 1.0, tuple(found)) for name, found in ways.items()}
    wider = "randomise" if "randomise" in rated else ""
    kinds = [Kind(["randomise", "none"], wider), Kind(["histogram"], wider), Kind(["cyclegan"])]
    kinds = [Kind([name for name in kind.names if name in rated], kind.wider) for kind in kinds]
    assert simplest(rated, kinds) == expected
