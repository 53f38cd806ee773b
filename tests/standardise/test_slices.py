"""Slices stay those that were acquired, turned alike in all cases (standardise.slices)."""

import itertools

import numpy as np
import pytest

from gbaseg.standardise.case import standardise_image, standardise_label, to_raw
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Grid, Volume, plane_of, turn_to_axial, turn_to_slices, turned_otherwise

LEFT, POSTERIOR, SUPERIOR = np.eye(3)
# Of 45 hearts: (-0.60, 0.53, 0.60) in the mean, now nearest to left-right, now to the long axis.
SHORT_AXIS = np.array([-0.60, 0.53, 0.60])
SIDE = {"spacing_xyz_mm": (1.0, 1.0, 5.0), "crop_xy_px": 12, "foreground": "all"}


def axes_of(normal, roll=0.0):
    """(rows', columns', slices') unit vectors (x, y, z) of a slice that stands upright, rolled by some degrees."""
    z = np.array(normal) / np.linalg.norm(normal)
    y = z[2] * z - SUPERIOR
    y /= np.linalg.norm(y)
    x = np.cross(y, z)
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    return c * x + s * y, c * y - s * x, z


def stack(columns, shape=(6, 20, 24), spacing=(5.0, 0.75, 0.75), order=(0, 1, 2), signs=(1, 1, 1)):
    """A grid whose file axes (x, y, z) run along `columns`, in another order and direction where asked for."""
    sides, sizes = spacing[::-1], shape[::-1]
    direction = np.stack([signs[i] * columns[axis] for i, axis in enumerate(order)], axis=1)
    zyx = [order[i] for i in (2, 1, 0)]
    return Grid(
        tuple(sizes[axis] for axis in zyx),
        tuple(sides[axis] for axis in zyx),
        (5.0, -7.0, 11.0),
        tuple(float(v) for v in direction.ravel()),
    )


def hearts(count=45):
    """Normals and rolls as patients' differ, written in the order and directions that software writes."""
    rng = np.random.default_rng(0)
    ways = [
        (order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)
    ]
    for number in range(count):
        normal = SHORT_AXIS + rng.normal(0, 0.08, 3)
        order, signs = ways[number % len(ways)]
        yield stack(axes_of(normal, rng.normal(0, 10)), order=order, signs=signs)


def turned(own, slices="acquired"):
    return turn_to_slices(own, slices).grid(own)


@pytest.mark.unusual(
    "Scans and masks",
    "stacks of oblique slices (a heart's short axis), some nearest to axial and some to sagittal, in any order of axes",
    "slices stay those that were acquired, their rows and columns alike in all cases and both modalities",
)
def test_short_axis_slices_are_the_acquired_ones_and_alike_in_all_cases():
    grids = [turned(own) for own in hearts()]
    assert {grid.spacing_zyx_mm for grid in grids} == {(5.0, 0.75, 0.75)}
    assert turned_otherwise(grids) == []
    for grid in grids:
        direction = np.array(grid.direction).reshape(3, 3)
        assert np.isclose(np.linalg.det(direction), 1.0)
        assert (np.diag(direction.T @ np.stack(axes_of(SHORT_AXIS), axis=1)) > 0.75).all()
    nearest = [turn_to_axial(own).grid(own) for own in hearts()]
    assert {grid.spacing_zyx_mm[0] for grid in nearest} == {5.0, 0.75}  # what they were before
    assert len(turned_otherwise(nearest)) > 10


def test_standardised_short_axis_slices_keep_the_thick_side_out_of_plane():
    for own in itertools.islice(hearts(), 12):
        image = Volume(np.random.default_rng(1).random(own.shape).astype(np.float32), own)
        standard, record = standardise_image(image, StandardiseSettings(**SIDE))
        assert standard.array.shape == (6, 12, 12)
        assert record.turn.grid(own).spacing_zyx_mm == (5.0, 0.75, 0.75)


@pytest.mark.parametrize(
    ("normal", "plane", "expected"),
    [
        ((-1, 0, 0), "sagittal", (POSTERIOR, -SUPERIOR, -LEFT)),
        ((-0.97, 0.2, 0.1), "sagittal", (POSTERIOR, -SUPERIOR, -LEFT)),
        ((0, 1, 0), "coronal", (LEFT, -SUPERIOR, POSTERIOR)),
        ((0.1, 0.95, -0.3), "coronal", (LEFT, -SUPERIOR, POSTERIOR)),
    ],
)
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (1, -1, -1), (1, 1, -1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_sagittal_and_coronal_stacks_stay_so(normal, plane, expected, signs, order):
    grid = turned(stack(axes_of(normal), order=order, signs=signs))
    direction = np.array(grid.direction).reshape(3, 3)
    assert grid.spacing_zyx_mm == (5.0, 0.75, 0.75) and plane_of(grid) == plane
    assert all(direction[:, i] @ expected[i] > 0.9 for i in range(3))
    asked = turned(stack(axes_of(normal), order=order, signs=signs), plane)
    assert asked.direction == grid.direction


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.3, 1.0, 1.0), (1.6, 1.9, 1.9)])
def test_near_isotropic_volumes_are_cut_into_axial_slices(spacing):
    for own in (stack(axes_of((-1, 0, 0)), spacing=spacing), stack(axes_of(SHORT_AXIS), spacing=spacing)):
        assert turn_to_slices(own, "acquired") == turn_to_axial(own)


def test_axial_stacks_are_turned_as_ever():
    rng = np.random.default_rng(0)
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)):
        normal = SUPERIOR + rng.uniform(-0.3, 0.3, 3) * (1, 1, 0)
        x = np.cross(POSTERIOR, normal) / np.linalg.norm(np.cross(POSTERIOR, normal))
        z = normal / np.linalg.norm(normal)
        own = stack((x, np.cross(z, x), z), order=order, signs=signs)
        assert turn_to_slices(own, "acquired") == turn_to_slices(own, "axial") == turn_to_axial(own)


@pytest.mark.parametrize("slices", ["acquired", "axial", "sagittal", "coronal"])
def test_each_voxel_stays_in_its_place_and_the_way_back_is_exact(slices):
    for own in itertools.islice(hearts(), 48):
        array = np.arange(np.prod(own.shape)).reshape(own.shape)
        turn = turn_to_slices(own, slices)
        assert (turn.undo(turn.apply(array)) == array).all()
        grid = turn.grid(own)
        for index in ((0, 0, 0), tuple(n - 1 for n in grid.shape), (1, 2, 3)):
            before = tuple(int(i) for i in np.argwhere(array == turn.apply(array)[index])[0])
            there, here = (g.shifted(i, (1, 1, 1)).origin_xyz_mm for g, i in ((own, before), (grid, index)))
            assert np.allclose(there, here)


@pytest.mark.parametrize("slices", ["acquired", "sagittal", "coronal"])
def test_a_mask_comes_back_as_it_was(slices):
    own = stack(axes_of(SHORT_AXIS, 7), shape=(6, 16, 16), order=(1, 2, 0), signs=(-1, 1, -1))
    image = Volume(np.random.default_rng(1).random(own.shape).astype(np.float32), own)
    sides = turned(own, slices).spacing_zyx_mm[::-1]
    record = standardise_image(
        image, StandardiseSettings(slices=slices, spacing_xyz_mm=sides, crop_xy_px=40, foreground="all")
    )[1]
    label = Volume((image.array > 0.5).astype(np.uint8), own)
    back = to_raw(standardise_label(label, record), record)
    assert back.grid == own and (back.array == label.array).all()
