"""Runs ranked by how they agree with one another, on agreements and masks that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gbaseg.evaluation.consensus import consensus, pairwise_dice


@given(st.lists(st.floats(0.1, 1.0), min_size=3, max_size=8))
def test_the_factor_of_agreements_that_follow_from_it_comes_back(competence):
    right = np.array(competence)
    assert consensus(np.outer(right, right)) == pytest.approx(right, abs=1e-3)


@given(arrays(float, (5, 5), elements=st.floats(0.0, 1.0)))
def test_it_is_from_0_to_1_whatever_the_agreements(agreement):
    found = consensus((agreement + agreement.T) / 2)
    assert ((found >= 0) & (found <= 1)).all()


@given(arrays(float, 5, elements=st.floats(0.3, 0.9)), arrays(float, (5, 5), elements=st.floats(-0.05, 0.05)))
def test_whoever_comes_first_does_not_matter(competence, noise):
    agreement = np.outer(competence, competence) + (noise + noise.T) / 2
    assert consensus(agreement[::-1, ::-1]) == pytest.approx(consensus(agreement)[::-1], abs=1e-3)


def test_runs_that_are_wrong_each_in_its_own_way_are_the_last():
    agreement = np.full((6, 6), 0.05)
    agreement[:3, :3] = 0.8
    found = consensus(agreement)
    assert found[:3] == pytest.approx(np.sqrt(0.8), abs=0.02) and (found[3:] < 0.2).all()


def test_the_most_are_taken_for_right():
    """Its limit: runs that fail in the same way, where they are more than the others."""
    agreement = np.full((5, 5), 0.05)
    agreement[:2, :2], agreement[2:, 2:] = 0.8, 0.8
    found = consensus(agreement)
    assert found[2:].min() > 0.8 and found[:2].max() < 0.3


def test_of_two_runs_nothing_is_known():
    assert np.isnan(consensus(np.full((2, 2), 0.9))).all() and np.isnan(consensus(np.ones((1, 1)))).all()


def test_pairwise_dice_of_masks_that_can_be_counted():
    masks = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], bool).reshape(4, 1, 2, 2)
    found = pairwise_dice(masks)
    assert found[0, 1] == found[1, 0] == pytest.approx(0.5)
    # Masks of which one is empty, or both, agree on nothing.
    assert not found[2:].any() and not found[:, 2:].any()
    assert np.diag(found) == pytest.approx([1.0, 1.0, 0.0, 0.0])


def test_runs_that_find_nothing_have_no_consensus():
    assert consensus(pairwise_dice(np.zeros((3, 2, 2, 2), bool))) == pytest.approx([0.0, 0.0, 0.0])
