"""From the probabilities of the folds to a mask, and how far they agree."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from gbaseg.segmentation.components import components
from gbaseg.segmentation.decision import IGNORED, FoldAgreement, decide, to_mask, undisputed, volumes_at
from gbaseg.segmentation.extents import LEVELS
from gbaseg.segmentation.settings import PredictionSettings

ONE = {"VS": 1}
ONE_OF_EACH = {"VS": 1, "Cochlea": 1}
SETTINGS = PredictionSettings(tile_step=1.0, mirroring=False)


def binary(*folds: np.ndarray) -> np.ndarray:
    """(fold, 2, Z, Y, X) from the foreground's probabilities."""
    return np.stack([np.stack([1 - fold, fold]) for fold in folds])


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[None, None]


def test_the_folds_softmax_is_averaged():
    # Two of three folds are just against it, the third is sure: the mean decides, not the majority.
    mask = decide(binary(row(0.4, 0.4), row(0.4, 0.4), row(1.0, 0.6)), ONE, SETTINGS, "a", 1.0).mask
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[[1, 0]]]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.3, [1, 1, 1]), (0.31, [0, 1, 1]), (0.75, [0, 1, 1]), (0.76, [0, 0, 1])]
)
def test_a_voxel_belongs_to_a_structure_from_the_threshold_on(threshold, expected):
    """Under 0.5 too, where no structure is the likelier answer."""
    settings = SETTINGS.model_copy(update={"threshold": threshold})
    mask = decide(binary(row(0.2, 0.5, 1.0), row(0.4, 1.0, 1.0)), ONE, settings, "a", 1.0).mask
    assert mask.tolist() == [[expected]]


def test_a_structure_must_be_the_most_probable_and_probable_enough():
    probabilities = np.zeros((1, 3, 1, 1, 4))
    probabilities[0, :, 0, 0] = np.array([[0.1, 0.2, 0.7], [0.2, 0.6, 0.2], [0.2, 0.45, 0.35], [0.5, 0.3, 0.2]]).T
    decision = decide(probabilities, ONE_OF_EACH, SETTINGS, "a", 1.0)
    assert decision.mask.tolist() == [[[2, 1, 0, 0]]]
    assert [(item.structure, item.volume_mm3) for item in decision.agreements] == [("VS", 1.0), ("Cochlea", 1.0)]


def test_the_largest_component_of_each_structure_is_kept():
    vs, cochlea = row(0.9, 0.9, 0.9, 0, 0, 0, 0.9, 0.9, 0, 0), row(0, 0, 0, 0, 0.9, 0, 0, 0, 0, 0)
    folds = np.stack([1 - vs - cochlea, vs, cochlea])[None]
    decision = decide(folds, ONE_OF_EACH, SETTINGS, "a", 2.5)
    about_vs, about_cochlea = decision.agreements
    assert decision.mask.tolist() == [[[1, 1, 1, 0, 2, 0, 0, 0, 0, 0]]]
    # What was not kept is gone from the probabilities too, so that another grid's mask has the same pieces.
    assert decision.probabilities[0, 0, 0] == pytest.approx([0.9, 0.9, 0.9, 0, 0, 0, 0, 0, 0, 0], abs=1e-3)
    assert to_mask(decision.probabilities, [0.5] * len(decision.probabilities)).tolist() == decision.mask.tolist()
    assert (about_vs.pieces, about_vs.largest_share, about_vs.volume_mm3) == (2, 0.6, 7.5)
    assert (about_cochlea.pieces, about_cochlea.largest_share, about_cochlea.volume_mm3) == (1, 1.0, 2.5)


def test_a_structure_of_two_pieces_keeps_two_beside_one_of_one():
    """Two cochleas, a speck each of VS and cochlea: a perfect network's masks are whole, on another grid as well."""
    vs = row(0.9, 0.9, 0, 0.9, 0, 0, 0, 0, 0, 0, 0, 0)
    cochlea = row(0, 0, 0, 0, 0, 0.9, 0.9, 0, 0.9, 0.9, 0, 0.9)
    folds = np.stack([1 - vs - cochlea, vs, cochlea])[None]
    pieces = {"VS": 1, "Cochlea": 2}
    decision = decide(folds, pieces, SETTINGS, "a", 1.0)
    assert decision.mask.tolist() == [[[1, 1, 0, 0, 0, 2, 2, 0, 2, 2, 0, 0]]]
    about_vs, about_cochlea = decision.agreements
    assert (about_vs.pieces, about_vs.largest_share) == (2, pytest.approx(2 / 3))
    assert (about_cochlea.pieces, about_cochlea.largest_share, about_cochlea.volume_mm3) == (3, 0.8, 4.0)
    assert decision.probabilities[1, 0, 0, -1] == 0
    assert to_mask(decision.probabilities, [0.5] * len(decision.probabilities)).tolist() == decision.mask.tolist()
    # What one piece alone would make of it: the other cochlea is lost, and half of what was found is reason to doubt.
    [_, lost] = decide(folds, ONE_OF_EACH, SETTINGS, "a", 1.0).agreements
    assert (lost.largest_share, lost.volume_mm3) == (0.4, 2.0)


def test_voxels_are_disputed_that_the_folds_give_to_different_structures():
    """By themselves: the last is background to all, and the ensemble's mask need not have it."""
    decision = decide(binary(row(0.9, 0.9, 0.2, 0.2), row(0.9, 0.3, 0.9, 0.2)), ONE, SETTINGS, "a", 1.0)
    assert decision.disputed.tolist() == [[[False, True, True, False]]]
    label = undisputed(decision.mask, decision.disputed)
    assert label.dtype == np.uint8 and label.tolist() == [[[1, IGNORED, IGNORED, 0]]]
    assert not decide(binary(row(0.9, 0.1)), ONE, SETTINGS, "a", 1.0).disputed.any(), "one fold has none to dispute"


def test_agreement_is_the_mean_dice_of_the_pairs_of_folds():
    folds = binary(row(1, 1, 0, 0), row(1, 0, 0, 0), row(0, 1, 1, 1))
    # |A| = 2, |B| = 1, |C| = 3; A B 1, A C 1, B C 0.
    [about] = decide(folds, ONE, SETTINGS, "a", 1.0).agreements
    assert about.pairwise_dice == pytest.approx((2 / 3 + 2 / 5 + 0) / 3)
    assert (about.name, about.structure) == ("a", "VS")


@pytest.mark.parametrize(
    ("folds", "dice", "both_empty"),
    [
        ([row(1, 0), row(1, 0)], 1.0, 0),
        ([row(1, 0), row(0, 1)], 0.0, 0),
        ([row(0, 0), row(0, 0)], math.nan, 1),  # two that find nothing agree on nothing
        ([row(0, 0), row(0, 1)], 0.0, 0),
        ([row(0, 0), row(1, 0), row(0, 0)], 0.0, 1),
        ([row(1, 0)], math.nan, 0),
    ],
)
def test_agreement_of_equal_disjoint_empty_and_single_folds(folds, dice, both_empty):
    [about] = decide(binary(*folds), ONE, SETTINGS, "a", 1.0).agreements
    assert about.pairwise_dice == pytest.approx(dice, nan_ok=True)
    assert about.both_empty == both_empty


def test_nothing_found():
    decision = decide(binary(row(0, 0), row(0, 0)), ONE, SETTINGS, "a", 1.0)
    assert not decision.mask.any()
    [about] = decision.agreements
    assert math.isnan(about.pairwise_dice)
    assert replace(about, pairwise_dice=0.0) == FoldAgreement("a", "VS", 0.0, 0, 0.0, 0.0, both_empty=1)


GROWING = SETTINGS.model_copy(update={"grow_threshold": 0.3})


def test_a_kept_component_grows_into_the_voxels_it_touches():
    """Hysteresis: 0.3 beside the core joins it, across a gap or beside a piece that was not kept it does not."""
    folds = binary(row(0.3, 0.9, 0.9, 0.31, 0.1, 0.4, 0.0, 0.4, 0.6, 0.4))
    decision = decide(folds, ONE, GROWING, "a", 1.0)
    assert decision.mask.tolist() == [[[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]]
    [about] = decision.agreements
    assert (about.volume_mm3, about.pieces, about.largest_share) == (4.0, 2, pytest.approx(2 / 3))
    # The same rule on another grid gives the same pieces, half widths of the stored probabilities apart.
    assert to_mask(decision.probabilities.astype(np.float32) + 1e-3, [0.3]).tolist() == decision.mask.tolist()


def test_a_piece_that_is_joined_to_a_kept_one_belongs_to_it_and_leaves_no_hole():
    plane = np.zeros((1, 9, 16))
    plane[0, 2:7, 2:7] = 0.9  # the core
    plane[0, 2:7, 10:13] = 0.9  # a smaller piece, and its rim
    plane[0, 1:8, 9:14] = np.maximum(plane[0, 1:8, 9:14], 0.35)
    apart = decide(binary(plane), ONE, GROWING, "a", 1.0)
    assert apart.mask.sum() == 25
    plane[0, 4, 7:9] = 0.4  # a bridge
    joined = decide(binary(plane), ONE, GROWING, "a", 1.0)
    assert joined.mask.sum() == 25 + 2 + 35
    for decision in (apart, joined):
        again = to_mask(decision.probabilities.astype(np.float32) + 1e-3, [0.3])
        assert again.tolist() == decision.mask.tolist()


def test_a_structure_does_not_grow_into_another():
    vs, cochlea = row(0.9, 0.4, 0.35, 0.3, 0.0), row(0.0, 0.3, 0.4, 0.6, 0.6)
    folds = np.stack([1 - vs - cochlea, vs, cochlea])[None]
    mask = decide(folds, ONE_OF_EACH, GROWING, "a", 1.0).mask
    assert mask.tolist() == [[[1, 1, 2, 2, 2]]]


def on_half_steps(probabilities: np.ndarray) -> np.ndarray:
    """(structure, 1, Y, X) on a grid of half the spacing whose voxels lie between those of the coarse one."""
    _, _, height, width = probabilities.shape
    places = np.meshgrid([0], *(np.arange(0.25, size - 1, 0.5) for size in (height, width)), indexing="ij")
    return np.stack([map_coordinates(one.astype(np.float32), places, order=1) for one in probabilities])


def test_a_small_piece_is_not_lost_on_another_grid():
    """Which pieces are kept, and that they are there, is decided once: between voxels a peak is under the threshold."""
    peak = np.array([[0.1, 0.4, 0.1], [0.4, 0.55, 0.4], [0.1, 0.4, 0.1]])
    plane = np.zeros((1, 8, 20))
    plane[0, 2:6, 2:6] = 0.9
    plane[0, 3:6, 9:12] = peak
    plane[0, 3:6, 15:18] = 0.9 * peak  # of no piece: under the threshold
    decision = decide(binary(plane), {"Cochlea": 2}, GROWING, "a", 1.0)
    assert components(decision.mask > 0)[1].tolist() == [16, 5]
    finer = to_mask(on_half_steps(decision.probabilities), [0.3])
    assert len(components(finer > 0)[1]) == 2 and not finer[0, :, 28:].any()


def test_a_piece_that_is_narrow_somewhere_is_whole_on_another_grid():
    """Voxels that touch by a corner are one piece; between them a finer grid has less than the threshold."""
    plane = np.zeros((1, 10, 10))
    plane[0, 1:5, 1:5] = plane[0, 5:8, 5:8] = 0.8
    decision = decide(binary(plane), ONE, SETTINGS, "a", 1.0)
    assert components(decision.mask > 0)[1].tolist() == [25]
    finer = to_mask(on_half_steps(decision.probabilities), [0.5])
    assert len(components(finer > 0)[1]) == 2 and finer[0, 9:, 9:].sum() > 0.5 * 4 * 9


def test_nothing_grows_without_a_core():
    assert not decide(binary(row(0.4, 0.45, 0.4)), ONE, GROWING, "a", 1.0).mask.any()


def test_growing_begins_under_the_threshold():
    with pytest.raises(ValueError, match=r"grow_threshold 0.6 is over threshold 0.5"):
        PredictionSettings(grow_threshold=0.6)


def ending(**ends):
    return SETTINGS.model_copy(update={"ends": ends})


def test_each_structure_ends_where_it_is_said_to():
    """Further in, of what was kept at the threshold; further out as by `grow_threshold`, each by its own number."""
    vs, cochlea = row(0.3, 0.6, 0.9, 0.6, 0.3, 0, 0, 0, 0, 0), row(0, 0, 0, 0, 0, 0.3, 0.6, 0.9, 0.6, 0.3)
    folds = np.stack([1 - vs - cochlea, vs, cochlea])[None]
    decision = decide(folds.copy(), ONE_OF_EACH, ending(VS=0.7, Cochlea=0.3), "a", 1.0)
    assert decision.mask.tolist() == [[[0, 0, 1, 0, 0, 2, 2, 2, 2, 2]]]
    assert [about.volume_mm3 for about in decision.agreements] == [1.0, 5.0]
    assert to_mask(decision.probabilities.astype(np.float32) + 1e-3, [0.7, 0.3]).tolist() == decision.mask.tolist()
    # One that is not named ends at the threshold.
    assert decide(folds, ONE_OF_EACH, ending(VS=0.7), "a", 1.0).mask.tolist() == [[[0, 0, 1, 0, 0, 0, 2, 2, 2, 0]]]


def test_what_falls_apart_keeps_its_largest_pieces():
    folds = binary(row(0.9, 0.9, 0.6, 0.9, 0.0, 0.9, 0.9))
    for keep, expected in ((1, [1, 1, 0, 0, 0, 0, 0]), (2, [1, 1, 0, 0, 0, 1, 1])):
        decision = decide(folds.copy(), {"VS": keep}, ending(VS=0.7), "a", 1.0)
        assert decision.mask.tolist() == [[expected]]
        assert to_mask(decision.probabilities, [0.7]).tolist() == decision.mask.tolist()


def test_volumes_at_levels_are_those_of_the_masks():
    rng = np.random.default_rng(0)
    folds = gaussian_filter(rng.normal(size=(2, 3, 6, 20, 20)), (0, 0, 1, 2, 2)) * 12
    folds = (np.exp(folds) / np.exp(folds).sum(axis=1, keepdims=True)).astype(np.float32)
    pieces = {"VS": 1, "Cochlea": 2}
    found = volumes_at(folds.mean(axis=0)[1:], pieces, SETTINGS, LEVELS, 2.0)
    for place, level in enumerate(LEVELS):
        about = decide(folds.copy(), pieces, ending(VS=level, Cochlea=level), "a", 2.0).agreements
        assert found[:, place].tolist() == [one.volume_mm3 for one in about]
    assert (np.diff(found, axis=1) <= 0).all() and found[:, :6].min() > 0


def test_ends_and_growth_are_two_words_for_one_thing():
    with pytest.raises(ValueError, match=r"grow_threshold 0.3 beside ends; allowed: one of them"):
        PredictionSettings(grow_threshold=0.3, ends="source_volumes")
    assert PredictionSettings(ends="source_volumes").end_of("VS") == 0.5
