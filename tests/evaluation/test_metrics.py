"""Dice and ASSD against MedPy (METHOD 7)."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from medpy.metric import binary as medpy

from gbaseg.evaluation.metrics import assd_mm, both_assd_mm, dice, directed_surface_distances, pooled_assd_mm

SPACING = st.floats(0.1, 6.0)
CLOSE = 1e-9  # relative, as the issue asks


@st.composite
def mask_pairs(draw):
    """Blobs, scattered voxels, whole and border-touching masks, in a larger image or filling it."""
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first, second = (rng.random(shape) < draw(st.sampled_from([0.03, 0.2, 0.6, 0.95, 1.0])) for _ in range(2))
    before, after = draw(st.tuples(*[st.integers(0, 3)] * 3)), draw(st.tuples(*[st.integers(0, 3)] * 3))
    padding = list(zip(before, after, strict=True))
    return np.pad(first, padding), np.pad(second, padding)


def ball(shape, centre, radius):
    grid = np.indices(shape)
    return sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)) <= radius**2


@settings(max_examples=150)
@given(mask_pairs(), st.tuples(SPACING, SPACING, SPACING))
def test_assd_equals_medpy(masks, spacing):
    reference, prediction = masks
    assume(reference.any() and prediction.any())
    there = medpy.asd(reference, prediction, spacing)
    back = medpy.asd(prediction, reference, spacing)
    symmetric, pooled = both_assd_mm(reference, prediction, spacing)
    assert symmetric == pytest.approx((there + back) / 2, rel=CLOSE, abs=1e-12)
    assert pooled == pytest.approx(medpy.assd(prediction, reference, spacing), rel=CLOSE, abs=1e-12)
    distances = directed_surface_distances(reference, prediction, spacing)
    assert distances.reference_to_prediction.mean() == pytest.approx(there, rel=CLOSE, abs=1e-12)
    assert distances.prediction_to_reference.mean() == pytest.approx(back, rel=CLOSE, abs=1e-12)


@settings(max_examples=50)
@given(mask_pairs())
def test_dice_equals_medpy(masks):
    reference, prediction = masks
    assume(reference.any())
    assert dice(reference, prediction) == pytest.approx(medpy.dc(prediction, reference), rel=CLOSE)


@settings(max_examples=30)
@given(mask_pairs(), st.tuples(SPACING, SPACING, SPACING))
def test_assd_does_not_know_which_mask_is_which(masks, spacing):
    first, second = masks
    assume(first.any() and second.any())
    assert assd_mm(first, second, spacing) == pytest.approx(assd_mm(second, first, spacing), rel=CLOSE)
    assert assd_mm(first, first, spacing) == 0.0


def test_two_voxels_apart_by_hand():
    reference, prediction = np.zeros((2, 5, 6, 7), dtype=bool)
    reference[1, 2, 3] = prediction[1, 2, 5] = True
    assert assd_mm(reference, prediction, (3.0, 1.0, 0.5)) == pytest.approx(1.0)  # two columns of 0.5 mm


def test_the_two_forms_differ_where_the_surfaces_do():
    """One voxel against two: directed means 0 and 1 (mean 0.5), pooled (0 + 0 + 2) / 3."""
    reference, prediction = np.zeros((2, 1, 1, 5), dtype=bool)
    reference[0, 0, 0] = True
    prediction[0, 0, [0, 2]] = True
    assert assd_mm(reference, prediction, (1, 1, 1)) == pytest.approx(0.5)
    assert pooled_assd_mm(reference, prediction, (1, 1, 1)) == pytest.approx(2 / 3)


def test_the_image_border_is_surface():
    """MedPy erodes with background outside the image: a mask that fills the image still has a surface."""
    full = np.ones((3, 3, 3), dtype=bool)
    inner = np.zeros_like(full)
    inner[1, 1, 1] = True
    distances = directed_surface_distances(full, inner, (1.0, 1.0, 1.0))
    assert distances.reference_to_prediction.size == 26


def test_the_box_is_the_masks_and_not_the_image():
    """A far smaller part of a large image, same values: a tumour in a corner and one in the middle."""
    for centre in ((2, 3, 4), (20, 30, 30)):
        shape = (40, 60, 60)
        reference = ball(shape, centre, 6)
        prediction = ball(shape, tuple(at + 2 for at in centre), 5)
        expected = [medpy.asd(reference, prediction, (1, 0.6, 0.6)), medpy.asd(prediction, reference, (1, 0.6, 0.6))]
        assert assd_mm(reference, prediction, (1, 0.6, 0.6)) == pytest.approx(np.mean(expected), rel=CLOSE)


def test_labels_of_any_type_are_masks():
    reference = ball((6, 8, 8), (3, 4, 4), 2)
    prediction = ball((6, 8, 8), (3, 4, 5), 2)
    assert dice(reference.astype(np.uint8) * 2, prediction.astype(np.float32)) == dice(reference, prediction)
    expected = assd_mm(reference, prediction, (1, 1, 1))
    assert assd_mm(reference.astype(np.int16) * 3, prediction.astype(np.uint8), (1, 1, 1)) == expected


def test_empty_prediction_counts_350_mm():
    reference, empty = ball((4, 6, 6), (2, 3, 3), 2), np.zeros((4, 6, 6), dtype=bool)
    assert dice(reference, empty) == 0.0
    assert assd_mm(reference, empty, (1, 1, 1)) == pooled_assd_mm(reference, empty, (1, 1, 1)) == 350.0
    assert assd_mm(reference, empty, (1, 1, 1), empty_mm=100.0) == 100.0


@pytest.mark.parametrize("predicted", [False, True])
def test_empty_reference_is_undefined(predicted):
    empty, prediction = np.zeros((2, 3, 3), dtype=bool), np.full((2, 3, 3), predicted)
    assert math.isnan(dice(empty, prediction))
    assert math.isnan(assd_mm(empty, prediction, (1, 1, 1)))
    assert math.isnan(pooled_assd_mm(empty, prediction, (1, 1, 1)))


def test_wrong_calls_are_refused():
    mask = np.ones((2, 3, 3), dtype=bool)
    with pytest.raises(ValueError, match=r"\(2, 3, 3\).*\(3, 3, 3\)"):
        dice(mask, np.ones((3, 3, 3), dtype=bool))
    with pytest.raises(ValueError, match="empty mask"):
        directed_surface_distances(mask, np.zeros_like(mask), (1, 1, 1))
    for spacing in ((1, 1), (1, 0, 1), (1, math.nan, 1)):
        with pytest.raises(ValueError, match="spacing"):
            assd_mm(mask, mask, spacing)
