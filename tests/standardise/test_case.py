"""METHOD 2: a scan to the standard grid, and masks back, exactly."""

import itertools
import json

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gbaseg.standardise.case import (
    StandardCase,
    probability_to_raw,
    standardise_finely,
    standardise_image,
    standardise_label,
    to_raw,
)
from gbaseg.standardise.settings import StandardiseSettings
from gbaseg.volume import Grid, Volume, crop_or_pad, read, resample, write

SETTINGS = StandardiseSettings(spacing_xyz_mm=(1.0, 1.0, 2.0), crop_xy_px=12, foreground="all", brain_percentile=95)
AXES = list(itertools.product(itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)))
UPRIGHT = np.eye(3)


def rotation(x, y, z):
    """Rotation matrix of three angles in radians."""
    return np.array(sitk.Euler3DTransform((0.0, 0.0, 0.0), x, y, z).GetMatrix()).reshape(3, 3)


def scan(shape=(5, 14, 16), spacing=(2.0, 1.0, 1.0), direction=UPRIGHT, seed=0, centre=(0.5, 0.5)):
    """A bright ball in noise, at `centre` (fractions of Y, X)."""
    _, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    ball = (y - centre[0] * (shape[1] - 1)) ** 2 + (x - centre[1] * (shape[2] - 1)) ** 2 < 12
    array = np.random.default_rng(seed).normal(100, 10, shape) + 400 * ball
    grid = Grid(shape, spacing, (7.0, -3.0, 11.0), tuple(float(v) for v in np.asarray(direction).ravel()))
    return Volume(array.astype(np.float32), grid)


def blob(grid, seed=0):
    """A random smooth-edged mask with labels 0, 1, 2."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.linspace(-1, 1, n).reshape(-1, *[1] * (2 - axis)) for axis, n in enumerate(grid.shape))
    cz, cy, cx = rng.uniform(-0.2, 0.2, 3)
    distance = np.sqrt((z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2)
    return Volume(((distance < 0.7).astype(np.uint8) + (distance < 0.3)).astype(np.uint8), grid)


def dice(a, b):
    return 2 * np.sum((a > 0) & (b > 0)) / (np.sum(a > 0) + np.sum(b > 0))


def test_shape_spacing_range_and_padding():
    standard, record = standardise_image(scan(centre=(0.0, 0.5)), SETTINGS)
    assert standard.array.shape == (5, 12, 12)
    assert standard.array.dtype == np.float32
    assert standard.grid == record.grid
    assert standard.grid.spacing_zyx_mm == (2.0, 1.0, 1.0)
    assert (standard.array.min(), standard.array.max()) == (0.0, 1.0)
    assert record.crop_start_zyx[1] < 0
    assert (standard.array[:, : -record.crop_start_zyx[1]] == 0.0).all()


def test_intensities_inside_are_the_scans_own_scaled():
    image = scan()
    standard, record = standardise_image(image, SETTINGS)
    box = crop_or_pad(image, record.crop_start_zyx, (5, 12, 12)).array
    expected = (box - record.intensity_low) / (record.intensity_high - record.intensity_low)
    assert np.allclose(standard.array, np.clip(expected, 0, 1), atol=1e-6)
    assert np.isclose(record.intensity_high, np.percentile(image.array, 99.9))


@given(
    axes=st.sampled_from(AXES),
    angles=st.tuples(*[st.floats(-0.3, 0.3)] * 3),
    centre=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    crop=st.integers(8, 24),
    crop_z=st.sampled_from([None, 3, 9]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_at_the_standard_spacing_a_mask_comes_back_exactly(axes, angles, centre, crop, crop_z, seed):
    """Whatever the scan's axes, tilt and the crop: inside the crop every voxel returns to its place."""
    columns, signs = axes
    direction = np.zeros((3, 3))
    direction[list(columns), range(3)] = signs
    # The scan's spacing, so that after the turn it is (2, 1, 1) mm along (Z, Y, X).
    spacing_xyz = np.array((1.0, 1.0, 2.0))[list(columns)]
    image = scan((6, 9, 11), tuple(spacing_xyz[::-1]), rotation(*angles) @ direction, seed, centre)
    mask = blob(image.grid, seed)
    choice = SETTINGS.model_copy(update={"crop_xy_px": crop, "crop_z_px": crop_z})

    standard, record = standardise_image(image, choice)
    label = standardise_label(mask, record)
    back = to_raw(label, record)

    assert label.grid == standard.grid
    assert back.grid == image.grid  # shape, spacing, origin and direction to the last bit
    inside = to_raw(label.with_array(np.ones_like(label.array)), record).array.astype(bool)
    assert (back.array[inside] == mask.array[inside]).all()
    assert (back.array[~inside] == 0).all()
    # `inside` is the crop, no less: as many voxels as the crop has in common with the scan.
    turned_shape = record.turn.grid(record.raw).shape
    common = [
        max(0, min(start + size, extent) - max(start, 0))
        for start, size, extent in zip(record.crop_start_zyx, record.grid.shape, turned_shape, strict=True)
    ]
    assert inside.sum() == np.prod(common)


@given(
    axes=st.sampled_from(AXES),
    spacing=st.tuples(*[st.floats(0.5, 0.9)] * 3),
    angle=st.floats(-0.3, 0.3),
    seed=st.integers(0, 99),
)
@settings(max_examples=25)
def test_a_standard_mask_survives_a_finer_scan(axes, spacing, angle, seed):
    """standard -> raw -> standard, the scan finer than the standard grid: nearest neighbours return."""
    columns, signs = axes
    direction = np.zeros((3, 3))
    direction[list(columns), range(3)] = signs
    image = scan((20, 21, 22), spacing, rotation(angle, 0.0, 0.0) @ direction, seed)
    choice = SETTINGS.model_copy(update={"spacing_xyz_mm": (1.0, 1.0, 1.0)})
    _, record = standardise_image(image, choice)
    mask = blob(record.grid, seed)
    # Padding of the crop has no place on the scan's grid.
    whole = Volume(np.ones(image.grid.shape, np.uint8), image.grid)
    mask = mask.with_array(mask.array * standardise_label(whole, record).array)

    back = to_raw(mask, record)
    again = standardise_label(back, record)
    assert back.grid == image.grid
    assert dice(again.array, mask.array) > 0.93


def test_a_probability_comes_back_with_its_edge_between_voxels():
    """A ball whose share of each coarse voxel is known: decided on the fine grid it is rounder than its coarse mask."""
    image = scan((40, 40, 40), (0.5, 0.5, 0.5))
    distance = np.sqrt(sum(np.square(axis - 20.3) for axis in np.indices((40, 40, 40)))) * 0.5
    ball = image.with_array((distance < 6.0).astype(np.uint8))
    choice = SETTINGS.model_copy(update={"spacing_xyz_mm": (2.0, 2.0, 2.0), "crop_xy_px": 10})
    _, record = standardise_image(image, choice)
    whole = record.grid.respaced((0.5, 0.5, 0.5))
    shares = resample(ball, whole, "label").array.reshape(10, 4, 10, 4, 10, 4).mean(axis=(1, 3, 5))

    carried = probability_to_raw(Volume(shares, record.grid), record)
    coarse = to_raw(Volume((shares > 0.5).astype(np.uint8), record.grid), record)
    assert carried.grid == image.grid
    assert 0.0 <= carried.array.min() <= carried.array.max() <= 1.0
    assert dice(carried.array > 0.5, ball.array) > 0.95
    assert dice(coarse.array, ball.array) < 0.93
    assert np.allclose(
        probability_to_raw(Volume(np.ones(record.grid.shape), record.grid), record).array,
        to_raw(Volume(np.ones(record.grid.shape, np.uint8), record.grid), record).array,
    )


def test_an_image_that_shrinks_is_smoothed_where_the_settings_say_so():
    image = scan((12, 24, 24), (1.0, 1.0, 1.0))
    image = image.with_array(np.random.default_rng(0).normal(100, 10, image.grid.shape))
    coarse = SETTINGS.model_copy(update={"spacing_xyz_mm": (2.0, 2.0, 1.0), "crop_xy_px": 8})
    smooth, record = standardise_image(image, coarse)
    sharp, _ = standardise_image(image, coarse.model_copy(update={"smooth_shrinking": False}))
    other = [standardise_finely(image, record, (2.0, 2.0, 1.0), smooth=choice)[0] for choice in (True, False)]
    assert np.array_equal(other[0].array, smooth.array)
    # Noise averages out, or does not.
    assert other[1].array.std() > 1.5 * smooth.array.std()
    assert not np.array_equal(sharp.array, smooth.array)


def test_the_way_back_through_files(tmp_path):
    """Geometry passes through NIfTI's single precision and JSON."""
    image = scan(direction=rotation(0.2, -0.1, 0.3) @ np.diag((-1.0, 1.0, -1.0)), spacing=(2.0, 1.0, 1.0))
    write(image, tmp_path / "raw.nii.gz")
    image = read(tmp_path / "raw.nii.gz")
    mask = blob(image.grid)
    _, record = standardise_image(image, SETTINGS.model_copy(update={"crop_xy_px": 20}))
    write(standardise_label(mask, record), tmp_path / "label.nii.gz")

    record = StandardCase.from_dict(json.loads(json.dumps(record.to_dict())))
    write(to_raw(read(tmp_path / "label.nii.gz"), record), tmp_path / "back.nii.gz")
    back = read(tmp_path / "back.nii.gz")
    assert (back.array == mask.array).all()
    assert back.grid == image.grid


def test_the_record_survives_json():
    record = standardise_image(scan(direction=rotation(0.1, 0.2, 0.3)), SETTINGS)[1]
    assert StandardCase.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_the_finer_grid_covers_the_same_box_with_the_same_intensities():
    image = scan((10, 30, 30), (1.0, 0.5, 0.5))
    standard, record = standardise_image(image, SETTINGS)
    fine, fine_record = standardise_finely(image, record, (0.5, 0.5, 1.0), smooth=True)
    assert fine.grid.shape == (10, 24, 24)  # 12 x 1 mm = 24 x 0.5 mm
    assert (fine_record.intensity_low, fine_record.intensity_high) == (record.intensity_low, record.intensity_high)
    faces = [np.array(g.origin_xyz_mm) - np.array(g.spacing_zyx_mm[::-1]) / 2 for g in (standard.grid, fine.grid)]
    assert np.allclose(*faces)
    # At its own spacing nothing is interpolated: the fine image is the scan's crop.
    start = tuple(2 * s if axis else s for axis, s in enumerate(record.crop_start_zyx))
    start = (2 * record.crop_start_zyx[0], start[1], start[2])
    expected = crop_or_pad(image, start, fine.grid.shape).array
    scaled = (expected - record.intensity_low) / (record.intensity_high - record.intensity_low)
    assert np.allclose(fine.array, np.clip(scaled, 0, 1), atol=1e-4)
    # And masks come back from it as from the standard one.
    mask = blob(image.grid)
    back = to_raw(standardise_label(mask, fine_record), fine_record)
    inside = to_raw(Volume(np.ones(fine.grid.shape, np.uint8), fine.grid), fine_record).array > 0
    assert inside.any() and (back.array[inside] == mask.array[inside]).all()


def test_only_the_structures_asked_for_are_kept():
    image = scan()
    _, record = standardise_image(image, SETTINGS)
    label = standardise_label(blob(image.grid), record, keep=[2])
    assert np.unique(label.array).tolist() == [0, 2]


def test_labels_and_masks_on_other_grids_are_refused():
    image = scan()
    standard, record = standardise_image(image, SETTINGS)
    with pytest.raises(ValueError, match="a label on"):
        standardise_label(Volume(np.zeros(standard.grid.shape), standard.grid), record)
    with pytest.raises(ValueError, match="a mask on"):
        to_raw(Volume(np.zeros(image.grid.shape), image.grid), record)


def test_defaults_are_the_papers():
    paper = StandardiseSettings()
    assert (paper.spacing_xyz_mm, paper.crop_xy_px, paper.crop_z_px) == ((0.6, 0.6, 1.0), 256, None)
    assert (paper.brain_percentile, paper.intensity_percentiles) == (75.0, (0.0, 99.9))
    with pytest.raises(ValidationError, match="smaller"):
        StandardiseSettings(intensity_percentiles=(99.0, 1.0))


def test_splines_do_not_swing_beyond_the_scans_intensities():
    array = np.zeros((8, 20, 20), np.float32)
    array[2:6, 5:15, 5:15] = 100.0
    image = Volume(array, Grid(array.shape, (2.0, 1.0, 1.0)))
    finer = SETTINGS.model_copy(update={"spacing_xyz_mm": (0.7, 0.7, 2.0), "intensity_percentiles": (0.0, 100.0)})
    record = standardise_image(image, finer)[1]
    assert (record.intensity_low, record.intensity_high) == (0.0, 100.0)
