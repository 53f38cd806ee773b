"""Connected components of masks."""

import numpy as np
import pytest

from gbaseg.segmentation.components import components, largest_components


def mask_of(*boxes: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros((6, 8, 8), bool)
    for box in boxes:
        mask[box] = True
    return mask


BIG = np.s_[0:2, 0:2, 0:3]  # 12 voxels
SMALL = np.s_[4:5, 4:6, 4:5]  # 2
FIRST, SECOND = np.s_[0:1, 0:2, 0:2], np.s_[3:4, 5:7, 5:7]  # 4 each


def test_components_are_counted_and_sized():
    labelled, sizes = components(mask_of(BIG, SMALL))
    assert sorted(sizes) == [2, 12]
    assert (labelled > 0).sum() == 14
    assert [np.count_nonzero(labelled == value) for value in (1, 2)] == list(sizes)


@pytest.mark.parametrize("neighbour", [(1, 0, 0), (0, 1, 1), (1, 1, 1)])
def test_a_face_an_edge_or_a_corner_connects(neighbour):
    mask = mask_of()
    mask[2, 2, 2] = mask[tuple(2 + step for step in neighbour)] = True
    assert list(components(mask)[1]) == [2]


def test_the_largest_is_kept_whole():
    mask = mask_of(BIG, SMALL)
    kept = largest_components(mask, keep=1)
    assert kept.dtype == bool
    assert np.array_equal(kept, mask_of(BIG))
    assert mask.sum() == 14  # what came in is as it was


def test_several_are_kept_by_size():
    third = np.s_[5:6, 0:1, 7:8]
    mask = mask_of(BIG, SMALL, third)
    assert np.array_equal(largest_components(mask, keep=2), mask_of(BIG, SMALL))
    assert np.array_equal(largest_components(mask, keep=9), mask)


def test_of_equals_the_first_is_kept():
    assert np.array_equal(largest_components(mask_of(SECOND, FIRST), keep=1), mask_of(FIRST))


def test_an_empty_mask_stays_empty():
    assert not largest_components(mask_of(), keep=2).any()
    assert len(components(mask_of())[1]) == 0
