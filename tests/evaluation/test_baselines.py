"""The threshold baseline: what it finds, and that it sees no target label."""

import numpy as np
import pytest

from gbaseg.evaluation.baselines import bright_threshold_baseline, depth_mm
from gbaseg.evaluation.metrics import dice
from gbaseg.volume import Grid, Volume

SHAPE = (12, 48, 48)
GRID = Grid(SHAPE, (2.0, 2.0, 2.0))


def ellipse(middle, radii):
    return sum(((axis - m) / r) ** 2 for axis, m, r in zip(np.indices(SHAPE), middle, radii, strict=True)) <= 1


def patient(seed, tumour_value, gain=1.0):
    """A head with a bright scalp, tissue of 0.4, and one tumour."""
    rng = np.random.default_rng(seed)
    whole = ellipse((6, 24, 24), (30, 20, 17))
    brain = ellipse((6, 24, 24), (30, 17, 14))
    tumour = ellipse((6, 24 + rng.integers(-5, 6), 24 + rng.integers(-4, 5)), (2.5, 4, 4))
    image = np.where(tumour, tumour_value, np.where(brain, 0.4, np.where(whole, 0.95, 0.0)))
    image = (gain * (image + rng.normal(0, 0.02, SHAPE) * whole)).clip(0, 1).astype(np.float32)
    return Volume(image, GRID), Volume(tumour.astype(np.uint8), GRID), tumour


@pytest.mark.parametrize(("value", "polarity"), [(0.8, "bright"), (0.15, "dark")])
def test_finds_a_tumour_that_stands_out(value, polarity):
    sources = [patient(seed, value) for seed in range(2)]
    target, _, truth = patient(7, value, gain=0.6)  # another intensity scale: shares of voxels do not care
    threshold, masks = bright_threshold_baseline([s[0] for s in sources], [s[1] for s in sources], [target])
    (mask,) = masks
    assert threshold.polarity == polarity
    assert threshold.source_dice > 0.8
    assert mask.dtype == bool and dice(truth, mask) > 0.7


def test_a_structure_of_two_pieces_keeps_two():
    image, _, truth = patient(0, 0.8)
    second = np.zeros(SHAPE, bool)
    second[5:8, 10:14, 22:26] = True
    array = np.where(second, np.float32(0.8), image.array)
    both = truth | second
    given = [Volume(array, GRID)], [Volume(both.astype(np.uint8), GRID)]
    one, two = (next(bright_threshold_baseline(*given, given[0], pieces=pieces)[1]) for pieces in (1, 2))
    assert not (one & second).any() and (two & second).sum() > 0.8 * second.sum()
    assert dice(both, two) > dice(both, one)


def test_a_polarity_may_be_known():
    image, label, _ = patient(0, 0.15)
    threshold, _ = bright_threshold_baseline([image], [label], [], polarities=("bright",))
    assert threshold.polarity == "bright" and threshold.source_dice < 0.5


def test_the_scalp_is_left_out():
    image, _, _ = patient(0, 0.8)
    depth = depth_mm(image)
    assert depth[6, 24, 24] > 20 and 0 < depth[6, 24, 8] <= 4  # the scalp, 16 pixels of 2 mm beside the middle
    assert (depth[[0, -1], 24, 24] > 20).all()  # the scan ends inside the head; no slice is lost
    assert depth[6, 0, 0] == 0


def test_a_slice_without_background_has_no_scalp():
    full = np.full(SHAPE, 0.5, dtype=np.float32)
    full[:6, :, :20] = 0.0
    assert np.isinf(depth_mm(Volume(full, GRID))[-1]).all()


def test_sources_without_tumour():
    image, label, _ = patient(0, 0.8)
    empty = label.with_array(np.zeros_like(label.array))
    threshold, _ = bright_threshold_baseline([image, image], [empty, label], [])
    assert threshold == bright_threshold_baseline([image], [label], [])[0]  # says nothing about the threshold
    with pytest.raises(ValueError, match="no source label with the structure"):
        bright_threshold_baseline([image], [empty], [image])
