"""What mode auto takes of its candidates, and in which words."""

from gbaseg.self_training.label_free import Kind, Rated, simplest
from gbaseg.stages.choose_translation import kinds_of, summary
from gbaseg.workflow.choice import Translation

ALL = [Translation(name, name.partition("_")[0], 0) for name in ("none", "histogram", "randomise", "cyclegan_0")]


def chosen(none, histogram, randomise, cyclegan):
    """The choice, by the score of each case."""
    ways = {"none": none, "histogram": histogram, "randomise": randomise, "cyclegan_0": cyclegan}
    rated = {name: Rated(sum(found) / len(found), 1.0, 1.0, tuple(found)) for name, found in ways.items()}
    kinds = kinds_of(ALL)
    return summary(rated, kinds, simplest(rated, kinds), 1.0)


def test_contrasts_at_random_are_wider_than_what_keeps_intensities_in_order():
    assert kinds_of(ALL) == [
        Kind(["randomise", "none"], "randomise"), Kind(["histogram"], "randomise"), Kind(["cyclegan_0"])
    ]  # fmt: skip
    without = [one for one in ALL if one.name != "randomise"]
    assert kinds_of(without) == [Kind(["none"]), Kind(["histogram"]), Kind(["cyclegan_0"])]
    assert kinds_of([ALL[3]]) == [Kind(["cyclegan_0"])]


def test_it_says_which_easier_task_scored_higher_and_that_this_is_no_doubt():
    found = chosen(none=[0.4, 0.4, 0.3], histogram=[0.6, 0.7, 0.6], randomise=[0.4, 0.5, 0.4], cyclegan=[0.1, 0.2, 0.1])
    assert (found["chosen"], found["trusted"]) == ("randomise", True)
    assert found["why"] == (
        "better than every other by more than chance; histogram, whose contrasts are among its own, scores higher, as "
        "the easier task does after a short training"
    )


def test_a_network_that_it_is_not_told_apart_from_is_a_doubt():
    found = chosen(none=[0.3, 0.3, 0.3], histogram=[0.6, 0.7, 0.6], randomise=[0.4, 0.5, 0.4], cyclegan=[0.6, 0.6, 0.7])
    assert (found["chosen"], found["trusted"]) == ("randomise", False)
    assert found["why"].startswith("WARNING: the best, not told apart from cyclegan_0 (less than two standard errors);")


def test_contrasts_that_have_not_been_learnt_stand_in_for_nothing():
    found = chosen(none=[0.2, 0.2, 0.2], histogram=[0.6, 0.7, 0.6], randomise=[0.2, 0.3, 0.2], cyclegan=[0.1, 0.2, 0.1])
    assert (found["chosen"], found["why"]) == ("histogram", "better than every other by more than chance")
