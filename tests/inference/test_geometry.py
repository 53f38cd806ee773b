"""Wherever a scan's voxels lie: its mask is on its own grid, and what is in it where it is in the patient.

200 geometries: GEOMETRY_EXAMPLES=200 pytest tests/inference/test_geometry.py
"""

import os

import numpy as np
import pytest

import gbaseg
from gbaseg import volume
from gbaseg.volume import Grid

_GROUPS = 10
_EACH = int(os.environ.get("GEOMETRY_EXAMPLES", "60")) // _GROUPS


def random_grid(rng):
    """Axes in any order and direction, tilted by up to 25 degrees, of any origin; about 60 to 90 mm along each."""
    spacing = rng.uniform(0.7, 2.0, 3)
    if rng.random() < 0.5:  # slices
        spacing[rng.integers(3)] = rng.uniform(2.5, 5.0)
    shape = np.maximum(np.ceil(rng.uniform(62.0, 90.0, 3) / spacing), 14).astype(int)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    angle = np.radians(rng.uniform(0, 25) if rng.random() < 0.7 else 0.0)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    tilt = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    turned = np.eye(3)[rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)
    turned[:, 2] *= np.sign(np.linalg.det(turned)) if rng.random() < 0.5 else 1.0
    direction = tilt @ turned
    return Grid(
        tuple(int(size) for size in shape),
        tuple(float(side) for side in spacing),
        tuple(float(mm) for mm in rng.uniform(-150, 150, 3)),
        tuple(float(cosine) for cosine in direction.ravel()),
    )


def physical(grid, index_zyx):
    step = np.array(index_zyx)[::-1] * np.array(grid.spacing_zyx_mm[::-1])
    return np.array(grid.origin_xyz_mm) + np.reshape(grid.direction, (3, 3)) @ step


@pytest.mark.parametrize("group", range(_GROUPS))
def test_a_mask_lies_where_its_scan_does(group, sure, drawn, tmp_path):
    model = sure(0.0)
    for number in range(_EACH):
        rng = np.random.default_rng([group, number])
        grid = random_grid(rng)
        centre = rng.uniform(-7, 7, 3)
        path = tmp_path / f"{number}{'.nii' if number % 2 else '.nii.gz'}"
        volume.write(drawn(grid, centre), path)
        read = volume.read(path).grid
        found = gbaseg.predict(path, model)
        assert found.mask.grid == read, grid
        found.write(tmp_path / f"mask{path.name}")
        assert volume.read(tmp_path / f"mask{path.name}").grid.agrees_with(read, 1e-5), grid

        expected = physical(grid, (np.array(grid.shape) - 1) / 2) + centre
        mean = physical(grid, np.argwhere(found.mask.array).mean(axis=0))
        # Along the scan's own axes; half of a voxel, its own or the networks' (1.5 and 2 mm), whichever is coarser.
        apart = (np.reshape(grid.direction, (3, 3)).T @ (mean - expected))[::-1]
        assert (np.abs(apart) <= 0.5 * np.maximum(grid.spacing_zyx_mm, 1.5)).all(), (grid, apart)
        assert found.found[0].volume_mm3 == pytest.approx(4 / 3 * np.pi * 8.0**3, rel=0.15), grid
