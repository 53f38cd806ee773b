"""What is said of scans that are unlike those of the target; nothing of those that are like them."""

import numpy as np
import pytest

import gbaseg
from gbaseg.inference.likeness import look
from gbaseg.inference.scans import accepted, standardised
from gbaseg.volume import Grid, Volume


def grid(spacing=(2.0, 1.2, 1.2), shape=(40, 72, 72)):
    return Grid(shape, spacing)


@pytest.fixture(scope="module")
def target(drawn, settings):
    """Of three scans, two centres' voxel sizes."""
    scans = [
        drawn(grid(), (6, -4, 3)),
        drawn(grid((1.8, 1.0, 1.0), (44, 86, 86)), (0, 0, 0)),
        drawn(grid(), (-5, 2, 0)),
    ]
    given = [standardised(accepted(scan, settings), settings, False) for scan in scans]
    return look([(one.record, one.image) for one in given])


def said(scan, sure, target):
    [about] = gbaseg.predict(scan, sure(0.0, target=target)).found
    return list(about.warnings)


def test_nothing_is_said_of_a_scan_like_the_others(drawn, sure, target, head):
    assert target.cases == 3
    assert target.spacing_zyx_mm == ((1.8, 2.0), (1.0, 1.2), (1.0, 1.2))
    assert said(head, sure, target) == []
    assert said(drawn(grid((1.9, 1.1, 1.1), (42, 80, 80)), (3, 3, 3)), sure, target) == []


@pytest.mark.unusual(
    "Commands", "`predict`: voxels unlike those of the target's training scans", "a warning, both sizes"
)
def test_other_voxels_are_said(drawn, sure, target):
    [note] = said(drawn(grid((4.0, 1.2, 1.2), (20, 72, 72)), (6, -4, 3)), sure, target)
    assert note == ("voxels of 1.2, 1.2, 4 mm, unlike the target's training scans (1 to 1.2, 1 to 1.2, 1.8 to 2)")


@pytest.mark.unusual(
    "Commands", "`predict`: a scan much shorter than the target's training scans", "a warning, the lengths"
)
def test_a_short_scan_is_said(drawn, sure, target):
    notes = said(drawn(grid(shape=(20, 72, 72)), (0, 0, 0), radius=6.0, head=40.0), sure, target)
    assert any(note.startswith("a scan of 86.4, 86.4, 40 mm, shorter than") for note in notes)


@pytest.mark.unusual("Commands", "`predict`: intensities unlike those of the target's training scans", "a warning")
def test_other_intensities_are_said(head, sure, target):
    """Tissue nearly as bright as the structure: as of another modality."""
    other = np.where(head.array > 50, 0.2 * head.array + 320, head.array).astype(np.float32)
    notes = said(Volume(other, head.grid), sure, target)
    assert any("intensities unlike the target's training scans" in note for note in notes)


def test_without_a_look_at_the_target_nothing_is_compared(drawn, sure):
    assert look([]) is None
    assert said(drawn(grid((4.0, 1.2, 1.2), (20, 72, 72)), (6, -4, 3)), sure, None) == []
