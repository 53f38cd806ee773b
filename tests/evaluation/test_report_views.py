"""A case that is cut out for the page lies where it lay, and fits."""

import gzip

import numpy as np
import pytest

from gbaseg.evaluation.report_views import MARGINS_MM, cut_out, room_for
from gbaseg.volume import Grid, Volume, read

GRID = Grid((40, 90, 100), (2.0, 0.8, 0.8), (-30.0, 12.0, 5.0), (0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0))


@pytest.fixture
def case():
    """A scan of noise, what was found (label 2) and what is there (2, and 1 elsewhere)."""
    array = np.random.default_rng(1).normal(0.5, 0.4, GRID.shape).astype(np.float32)
    found, there = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
    found[18:22, 40:50, 40:52] = 2
    there[17:22, 41:52, 40:50] = 2
    there[20, 60, 60] = 1
    return Volume(array, GRID), found, there


def parts(view, folder):
    """The volumes in it, as anything reads them."""
    for name, content in view.parts.items():
        (folder / f"{name}.nii.gz").write_bytes(content)
    return {name: read(folder / f"{name}.nii.gz") for name in view.parts}


def middle_mm(volume, label):
    """Centre of a label in the patient, (x, y, z)."""
    index = np.argwhere(volume.array == label).mean(axis=0) * np.array(volume.grid.spacing_zyx_mm)
    return np.array(volume.grid.origin_xyz_mm) + np.reshape(volume.grid.direction, (3, 3)) @ index[::-1]


def test_with_room_the_widest_margin_and_every_voxel(case, tmp_path):
    scan, found, there = case
    view = cut_out("view-0", scan, found, there, 10_000_000)
    read_again = parts(view, tmp_path)
    z, y, x = (int(np.ceil(MARGINS_MM[0] / spacing)) for spacing in GRID.spacing_zyx_mm)
    box = np.s_[max(0, 17 - z) : 22 + z, 40 - y : 61 + y, 40 - x : 61 + x]
    assert np.array_equal(read_again["prediction"].array, found[box])
    assert np.array_equal(read_again["reference"].array, there[box])
    assert np.array_equal(read_again["image"].array, np.round(scan.array[box].clip(0, 1) * 255).astype(np.uint8))
    assert middle_mm(read_again["prediction"], 2) == pytest.approx(middle_mm(Volume(found, GRID), 2), abs=1e-4)
    assert f"{MARGINS_MM[0]:g} mm around" in view.words and "coarser" not in view.words


@pytest.mark.parametrize("most", [100_000, 20_000, 2_000])
def test_what_has_to_be_small_is_small_in_its_place_and_loses_no_structure(case, most, tmp_path):
    scan, found, there = case
    view = cut_out("view-0", scan, found, there, most)
    assert sum(map(len, view.parts.values())) <= most
    read_again = parts(view, tmp_path)
    assert len({volume.grid for volume in read_again.values()}) == 1
    for name, label, mask in (("prediction", 2, found), ("reference", 2, there), ("reference", 1, there)):
        apart = middle_mm(read_again[name], label) - middle_mm(Volume(mask, GRID), label)
        assert np.abs(apart).max() < max(read_again[name].grid.spacing_zyx_mm)


def test_without_a_mask_the_whole_scan_as_fine_as_fits(case, tmp_path):
    scan, found, _ = case
    view = cut_out("view-0", scan, np.zeros_like(found), None, 50_000)
    assert view.parts.keys() == {"image", "prediction"} and "whole" in view.words and "coarser" in view.words
    grid = parts(view, tmp_path)["image"].grid
    assert np.array(grid.shape) * grid.spacing_zyx_mm == pytest.approx(
        np.array(GRID.shape) * GRID.spacing_zyx_mm, rel=0.1
    )


def test_equal_cases_are_equal_bytes(case):
    scan, found, there = case
    first, again = (cut_out("view-0", scan, found, there, 20_000) for _ in range(2))
    assert first == again
    assert gzip.decompress(first.parts["image"])[344:347] == b"n+1"


def test_many_cases_share_the_room_and_few_do_not_swell_the_page():
    assert room_for(1) == room_for(3) == 750_000
    assert 64 * room_for(64) * 4 / 3 == pytest.approx(18e6, rel=1e-3)
    assert room_for(5000) == 75_000
