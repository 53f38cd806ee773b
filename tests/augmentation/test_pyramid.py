"""The scales (METHOD 5)."""

import pytest

from gbaseg.augmentation.settings import SinGANSettings
from gbaseg.augmentation.singan.pyramid import make_pyramid, trained_pyramid, width_at
from gbaseg.errors import UserError

PAPER = [25, 29, 34, 39, 45, 52, 60, 70, 80, 93, 107, 124, 144, 166, 192, 222, 256]


def test_the_papers_17_scales():
    pyramid = make_pyramid((256, 256))
    assert pyramid.last_scale == 16
    assert pyramid.ratio == pytest.approx((25 / 256) ** (1 / 16)) and round(pyramid.ratio, 4) == 0.8647
    assert pyramid.sizes == [(size, size) for size in PAPER]


def test_the_coarsest_scale_is_min_size_and_the_finest_the_image_for_every_size():
    """A ceil on floats would make 26 of 25 for some of these."""
    for side in range(26, 321):
        pyramid = make_pyramid((side, side))
        assert pyramid.size(0) == (25, 25) and pyramid.size(pyramid.last_scale) == (side, side)
        assert pyramid.sizes == sorted(pyramid.sizes)
        assert pyramid.ratio >= 0.85


def test_other_shapes():
    pyramid = make_pyramid((80, 120))
    assert pyramid.sizes[0] == (25, 38) and pyramid.sizes[-1] == (80, 120)
    assert make_pyramid((120, 80)).sizes == [size[::-1] for size in pyramid.sizes]
    assert make_pyramid((80, 80)).last_scale == 9


def test_a_slice_that_is_too_small():
    with pytest.raises(UserError, match=r"min_size is 25, but the slice is 40 x 25 pixels; .* less than 25"):
        make_pyramid((40, 25))


def test_widths_double_every_four_scales():
    assert [width_at(n) for n in range(17)] == [32] * 4 + [64] * 4 + [128] * 9
    assert [width_at(n, 16, 32) for n in (0, 3, 4, 8)] == [16, 16, 32, 32]


def test_the_used_scales_are_the_finest_of_all_and_one_below():
    whole = make_pyramid((256, 256))
    used = trained_pyramid((256, 256), SinGANSettings(pyramid="used"), k_star=3)
    assert used.sizes == whole.sizes[-5:]
    assert [used.channels(scale, 32, 128) for scale in range(5)] == [width_at(scale) for scale in range(12, 17)]
    assert trained_pyramid((256, 256), SinGANSettings(), k_star=3) == whole
