"""Along which axes scans look like their mirror images."""

import numpy as np
import pytest
from scipy import ndimage

from gbaseg.planning.symmetry import choose_mirrored, symmetry

SPACING = (4.0, 2.0, 2.0)


def body(shape=(24, 60, 50), off=(0, 0, 0)) -> np.ndarray:
    """An ellipsoid, its middle moved by so many voxels."""
    at = np.indices(shape).astype(float)
    return sum(((at[axis] - (shape[axis] - 1) / 2 - off[axis]) / (0.4 * shape[axis])) ** 2 for axis in range(3)) < 1


def anatomy(inside: np.ndarray, alike: int | None, seed: int = 0) -> np.ndarray:
    """Blobs of some 6 mm inside a body, the same to either side of the middle of axis `alike`."""
    image = np.random.default_rng(seed).normal(size=inside.shape)
    if alike is not None:
        image = image + np.flip(image, alike)
    image = ndimage.gaussian_filter(image, [3.0 / step for step in SPACING])
    return np.where(inside, 100.0 + 20.0 * image / image[inside].std(), 0.0).astype(np.float32)


@pytest.mark.parametrize("alike", [0, 1, 2])
def test_the_axis_of_symmetry_is_seen(alike):
    inside = body()
    found = symmetry(anatomy(inside, alike), inside, SPACING)
    assert found[alike] > 0.99
    assert all(value < 0.4 for axis, value in enumerate(found) if axis != alike)


def test_the_mirror_may_stand_beside_the_middle_of_the_view():
    """A head is not in the middle of its scan, nor of voxels."""
    inside = body()
    image = anatomy(inside, 2)
    moved = [np.pad(array[:, :, 5:], [(0, 0), (0, 0), (0, 5)]) for array in (image, inside)]
    assert symmetry(moved[0], moved[1], SPACING)[2] > 0.95


def test_bright_voxels_do_not_make_a_scan_look_alike():
    """A vessel at the middle, a thousand times as bright: of the anatomy it says nothing."""
    inside = body()
    image = anatomy(inside, None)
    image[:, 28:32, 24:26] = 1e5
    assert max(symmetry(image, inside, SPACING)) < 0.6


def test_nothing_to_compare_is_no_symmetry():
    inside = body()
    assert symmetry(np.full(inside.shape, 7.0, np.float32), inside, SPACING) == (0.0, 0.0, 0.0)
    assert symmetry(np.ones((1, 2, 2)), np.ones((1, 2, 2), bool), SPACING) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("slices", "step"), [(1, 5.0), (3, 5.0), (4, 5.0), (5, 5.0), (6, 5.0), (12, 2.0), (20, 1.0)])
def test_of_few_slices_nothing_is_known_along_them(slices, step):
    """Mirrored a little off its middle a thin stack lies on itself, and is alike whatever it shows."""
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.normal(size=(slices, 60, 50)), [3.0 / step, 1.5, 1.5])
    inside = np.ones(image.shape, bool)
    assert symmetry(image.astype(np.float32), inside, (step, 2.0, 2.0))[0] < 0.4


def test_a_body_in_a_few_slices_of_many():
    inside = body((30, 60, 50))
    inside[:13] = inside[17:] = False
    assert symmetry(anatomy(inside, None), inside, SPACING)[0] == 0.0


@pytest.mark.parametrize(
    ("source", "target", "axes"),
    [
        ((0.1, 0.1, 0.6), (0.0, 0.1, 0.55), ["x"]),
        ((0.2, 0, 0), (0.34, 0, 0), []),
        ((0.5, 0, 0.6), (0.2, 0, 0.6), ["x"]),
    ],
)
def test_an_axis_is_mirrored_where_both_domains_look_alike_along_it(make, source, target, axes):
    data = make.facts(symmetry=target)
    data.scans[: data.source_cases] = [make.scan(scan.case, scan.labels, symmetry=source) for scan in data.source]
    choice = choose_mirrored(data, "")
    assert choice.value == axes
    assert f"x {source[2]:.2f} and {target[2]:.2f}" in choice.reason


def test_a_long_training_is_mirrored_as_nnunet_does_it(make):
    assert choose_mirrored(make.facts(), "long").value is None
