"""Where the target's structures end: at the softmax at which they are on average as large as the source's labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbaseg.segmentation.extents import LEVELS, compare, end_at


def curve(at_half, slope=1.0):
    """Volumes of a case at each level, falling; mm3."""
    return at_half * np.exp(-slope * (np.array(LEVELS) - 0.5))


@given(factor=st.floats(0.8, 1.25), volumes=st.lists(st.floats(50.0, 5000.0), min_size=4, max_size=9))
def test_masks_that_are_all_too_large_by_a_factor_are_cut_back_by_it(factor, volumes):
    found = np.stack([curve(factor * volume) for volume in volumes])
    end = end_at(compare(found, volumes, 1.0))
    assert end == pytest.approx(0.5 + np.log(factor), abs=2e-3)


@pytest.mark.parametrize(("factor", "unlike"), [(1.0, False), (1.45, False), (1.5, True), (0.7, False), (0.66, True)])
def test_sizes_that_no_softmax_explains_are_said_to_be_unlike(factor, unlike):
    """From 0.2 to 0.8 the volumes here change by 1.35 to either side, of which a tenth more is taken as alike."""
    sizes = compare(np.stack([curve(factor * 100.0)] * 5), [100.0] * 5, 1.0)
    assert sizes.unlike == unlike
    assert LEVELS[0] <= end_at(sizes) <= LEVELS[-1]


def test_cases_without_it_do_not_count_and_few_say_nothing():
    found = np.stack([curve(100.0)] * 4 + [np.zeros(len(LEVELS))] * 3)
    sizes = compare(found, [100.0] * 7, 1.0)
    assert sizes.cases == 4 and sizes.known and end_at(sizes) == pytest.approx(0.5)
    for few in (compare(found[1:], [100.0] * 6, 1.0), compare(found[4:], [100.0] * 3, 1.0)):
        assert not few.known and not few.unlike
    assert not compare(found, [float("nan")] * 7, 1.0).known


def test_a_case_is_compared_with_what_is_expected_of_it():
    """Centres of small and of large tumours, of unlike shares in the two modalities."""
    expected = [100.0] * 2 + [5000.0] * 3
    assert end_at(compare(np.stack([curve(one) for one in expected]), expected, 1.0)) == pytest.approx(0.5)


def test_one_that_vanishes_at_a_high_level_still_counts():
    found = np.stack([curve(100.0)] * 4)
    found[0, 4:] = 0.0
    sizes = compare(found, [100.0] * 4, 2.0)
    assert sizes.cases == 4 and np.isfinite(sizes.target).all() and (np.diff(sizes.target) < 0).all()
