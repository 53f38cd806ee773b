"""What a round trains on."""

import pytest

from gbaseg.stages.train_segmentation import target_weight


def test_the_papers_share_needs_no_weight_and_a_diluted_target_gets_it_back():
    assert target_weight(498, 210, 0.3) == 1
    weight = target_weight(216, 16, 0.3)
    assert weight == 6
    assert 16 * weight / (216 + 16 * weight) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(("source", "target", "share"), [(216, 16, None), (216, 0, 0.3), (0, 16, 0.3), (16, 200, 0.3)])
def test_never_less_than_once(source, target, share):
    assert target_weight(source, target, share) == 1
