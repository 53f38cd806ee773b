"""Slices, grid and crop from what was seen."""

from dataclasses import replace

import pytest

from gbaseg.planning.geometry import Detail, choose_slices, frame_of, lost_between
from gbaseg.volume import Grid

FINE, COARSE = Detail(1000, 1000, 1000.0), Detail(80, 20, 4.0)
# Slices of 1 x 1 mm that are 4 mm thick: axial, and coronal as ITK has the directions.
AXIAL = Grid((20, 80, 80), (4.0, 1.0, 1.0))
CORONAL = Grid((20, 80, 80), (4.0, 1.0, 1.0), direction=(1, 0, 0, 0, 0, 1, 0, -1, 0))
ISOTROPIC = Grid((80, 80, 80), (1.0, 1.0, 1.0))


def test_a_grid_is_never_finer_than_the_targets(make):
    frame = frame_of(make.facts(spacing_mm=(4.0, 1.5, 1.5), shape=(30, 133, 133)), {"tumour": 1}, FINE)
    assert frame.spacing_mm == (1.5, 4.0)
    assert frame.slices == 30


def test_a_budget_makes_it_coarser_and_a_thin_structure_limits_that(make):
    thick = frame_of(make.facts([make.label(across_mm=60.0, height_mm=100.0)]), {"tumour": 1}, COARSE)
    assert thick.spacing_mm == (2.0, 6.0)  # 160 mm of body in 80 voxels, 120 mm in 20
    thin = frame_of(make.facts([make.label(across_mm=6.0, height_mm=16.0)]), {"tumour": 1}, COARSE)
    assert thin.spacing_mm == (1.5, 4.0)  # a quarter of the structure
    assert "4 voxels across the thinnest structure (tumour, 6 mm)" in thin.choices[0].reason


@pytest.mark.parametrize("reach", [40.0, 90.0])
def test_the_crop_holds_every_labelled_structure_and_the_targets_body(make, reach):
    data = make.facts([make.label(reach_mm=20.0)])
    far = make.scan("far", [make.label(reach_mm=reach)])
    frame = frame_of(replace(data, scans=[*data.scans, far]), {"tumour": 1}, FINE)
    side = frame.crop_px * frame.spacing_mm[0]
    assert side >= max(2 * (reach + 5), 160)
    assert side <= max(2 * (reach + 5), 160) + 8


def test_a_body_that_fills_the_view_asks_for_no_padding(make):
    data = make.facts(body_low_mm=(0, 0, 0), body_high_mm=(120, 200, 200), centre_mm=(60, 130, 100))
    assert frame_of(data, {"tumour": 1}, FINE).crop_px == 200


def test_what_is_held_out_decides_nothing(make):
    data = make.facts()
    odd = replace(make.scan("h"), source=False, held_out=True, spacing_mm=(9.0, 9.0, 9.0), body_high_mm=(999, 999, 999))
    assert frame_of(replace(data, scans=[*data.scans, *[odd] * 20]), {"tumour": 1}, FINE) == frame_of(
        data, {"tumour": 1}, FINE
    )


def test_edges_of_what_is_few_voxels_across_are_not_smoothed(make):
    def smooth(across_mm):
        choices = frame_of(make.facts([make.label(across_mm=across_mm)]), {"tumour": 1}, COARSE).choices
        return next(choice.value for choice in choices if choice.key == "standardise.smooth_shrinking")

    assert (smooth(60.0), smooth(10.0)) == (True, False)
    [fine] = [c for c in frame_of(make.facts(), {"tumour": 1}, FINE).choices if c.key == "standardise.smooth_shrinking"]
    assert fine.value is True


def test_slices_are_those_acquired_where_all_lie_alike():
    assert choose_slices({"a": AXIAL, "b": ISOTROPIC})[0] == "acquired"
    assert choose_slices({"a": CORONAL, "b": CORONAL})[0] == "acquired"


def test_of_a_stack_and_an_isotropic_scan_both_are_cut_as_the_stack():
    slices, choice, warnings = choose_slices({"a": CORONAL, "b": ISOTROPIC})
    assert (slices, choice.value, warnings) == ("coronal", "coronal", [])
    assert "1 of 2 scans would lie otherwise" in choice.reason


def test_where_no_slices_suit_all_it_is_said():
    assert choose_slices({"a": CORONAL, "b": AXIAL})[2]


def test_what_a_coarser_grid_may_miss_is_warned_of(make):
    """Of scans of 1 x 1 x 3 mm; where voxels do not grow, one slice or voxel of a structure stays one."""
    data = make.facts([make.label(height_mm=10.0), make.label(2, across_mm=1.0), make.label(3, across_mm=6.1)])
    structures = {"low": 1, "thin": 2, "enough": 3}
    assert lost_between(data, structures, (1.0, 1.0, 3.0)) == []
    low, thin = lost_between(data, structures, (4.0, 4.0, 8.0))
    assert low.startswith(
        "low is hardly larger than the grid's voxels, 4 x 4 x 8 mm, in 6 of 6 labels (s0, s1, s2 and 3 more)"
    )
    assert thin.startswith("thin is hardly larger")
    assert lost_between(data, structures, (1.0, 1.0, 8.0)) == [low.replace("4 x 4", "1 x 1")]
