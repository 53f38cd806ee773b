"""What is looked at first."""

import math

import pytest

from gbaseg.review.queue import Known, by_doubt


def test_the_most_doubtful_comes_first(session):
    assert [item.case for item in session.items] == ["apart", "changed", "sound", "alone"]
    assert [item.is_doubtful for item in session.items] == [True, False, False, False]


@pytest.mark.parametrize(
    ("known", "doubt"),
    [
        (Known("VS", 10.0, 10.0, 1.0), 0.0),
        (Known("VS", 10.0, 20.0, 0.8), 0.7),
        (Known("VS", 20.0, 10.0, 0.8), 0.7),
        (Known("VS", 0.0, 0.0, math.nan, ("empty",)), 1.0),
        (Known("VS", 0.0, 5.0, math.nan, ("empty",)), 2.0),
        (Known("VS", 5.0, None, 0.9, ("in pieces", "folds disagree")), 2.1),
    ],
)
def test_each_doubt_counts_one_and_what_the_folds_and_rounds_disagree_about_its_share(known, doubt):
    assert known.doubt == pytest.approx(doubt)


def test_a_case_is_as_doubtful_as_its_most_doubtful_structure(session):
    [item, *_] = session.items
    assert item.doubt == max(one.doubt for one in item.known)
    assert by_doubt(reversed(session.items)) == session.items


def test_what_is_not_known_is_not_said():
    assert Known("VS", 1500.0, None, math.nan).as_dict() == {
        "structure": "VS", "ml": 1.5, "folds": None, "change": None, "share": 0.0, "doubts": [],
    }  # fmt: skip
