"""One case of the phantom: a patient's head and tumour, and one scan of it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from gbaseg.raw.phantom.anatomy import (
    cavity_depth,
    head_depth,
    paint_brain,
    paint_head,
    paint_vessels_and_ears,
)
from gbaseg.raw.phantom.canvas import Canvas, Tissue
from gbaseg.raw.phantom.fields import smooth_field
from gbaseg.raw.phantom.imaging import HALVES, Modality, point_spread, sample_image
from gbaseg.raw.phantom.space import Box, Space, box_around, rotation, slabs
from gbaseg.raw.phantom.tumour import paint_tumour, pushed_aside, sample_traits
from gbaseg.raw.settings import PhantomCentre, PhantomSettings
from gbaseg.runtime.seeds import numpy_generator
from gbaseg.volume import Grid, Volume

Centre = Literal["A", "B"]
# No voxel is labelled of which the tumour fills less than this.
_LEAST_FILLED = 0.25


def centre_settings(settings: PhantomSettings, centre: Centre) -> PhantomCentre:
    """The numbers of centre A or B."""
    return settings.centre_a if centre == "A" else settings.centre_b


def _grid(settings: PhantomSettings, centre: PhantomCentre, rng: np.random.Generator) -> Grid:
    """Where the scan lies in the scanner: its middle near the isocentre, its direction often a little oblique."""
    shape = tuple(round(e / s) for e, s in zip(settings.extent_zyx_mm, centre.spacing_zyx_mm, strict=True))
    oblique = rng.uniform() < settings.oblique_fraction
    direction = rotation(rng.normal(0, settings.obliquity_deg, 3)) if oblique else np.eye(3)
    middle = np.array([0.0, 15.0, -30.0]) + rng.normal(0, 8, 3)
    half_xyz = (np.array(shape[::-1]) - 1) / 2 * np.array(centre.spacing_zyx_mm[::-1])
    origin = middle - direction @ half_xyz
    return Grid(
        shape,  # type: ignore[arg-type]
        centre.spacing_zyx_mm,
        tuple(float(v) for v in origin),  # type: ignore[arg-type]
        tuple(float(v) for v in direction.ravel()),
    )


def _space(settings: PhantomSettings, grid: Grid, rng: np.random.Generator) -> Space:
    """Head coordinates on `grid` with its slices halved: tilted, scaled, shifted, smoothly deformed."""
    dz, dy, dx = grid.spacing_zyx_mm
    spacing = (dz / HALVES, dy, dx)
    shape = (grid.shape[0] * HALVES, *grid.shape[1:])
    scale = np.exp(rng.normal(0, settings.head_scale_spread, 3))
    # The scan's own obliquity comes on top of the head's tilt: the patient lies as they lie.
    tilt = rotation(rng.normal(0, settings.head_tilt_deg, 3)) @ np.array(grid.direction).reshape(3, 3)
    to_head = np.diag(1 / scale) @ tilt
    shift = rng.normal(0, 2, 3)
    axes = [((np.arange(n) - (n - 1) / 2) * s).astype(np.float32) for n, s in zip(shape, spacing, strict=True)]
    z, y, x = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    coordinates = []
    for row, offset in zip(to_head.astype(np.float32), shift, strict=True):
        field = smooth_field(rng, shape, spacing, settings.deformation_length_mm)
        # A head is held in shape: shifts beyond 2.5 SD do not occur.
        np.clip(field, -2.5, 2.5, out=field)
        field *= np.float32(settings.deformation_mm)
        field += row[0] * x + row[1] * y + row[2] * z + np.float32(offset)
        coordinates.append(field)
    margin = 2.5 * settings.deformation_mm + float(np.abs(shift).max())
    x_head, y_head, z_head = coordinates
    return Space(x_head, y_head, z_head, spacing, to_head, margin, shape)


def make_case(
    settings: PhantomSettings, seed: int, centre: Centre, modality: Modality, number: int
) -> tuple[Volume, Volume]:
    """One scan and its label.

    The patient follows from seed, centre and number alone: the other modality of the same number shows the same
    head and tumour on the same grid, and the same label.

    Returns:
        The image (int16, the centre's units) and the label (uint8: 1 tumour, 2 cochleae) on its grid.
    """
    numbers = centre_settings(settings, centre)
    traits = sample_traits(settings, numbers, seed, centre, number)
    rng = numpy_generator(seed, "phantom", centre, number, "anatomy")
    grid = _grid(settings, numbers, rng)
    space = _space(settings, grid, rng)

    canvas = Canvas(space)
    depth, cavity = np.empty_like(space.x), np.empty_like(space.x)
    for slab in slabs(space.x.shape):
        depth[slab] = head_depth(space.part(slab))
        cavity[slab] = cavity_depth(space.part(slab), depth[slab])
    folds = smooth_field(rng, space.x.shape, space.spacing_zyx_mm, 8.0)
    paint_head(canvas, depth, cavity, folds)
    skull = box_around(cavity > 0)
    brain = canvas.part(skull)
    brain.space = pushed_aside(brain.space, traits)
    paint_brain(brain, cavity[skull], folds[skull])
    paint_vessels_and_ears(canvas, cavity)
    paint_tumour(canvas, cavity, traits, rng)

    scan = numpy_generator(seed, "phantom", centre, number, modality)
    image = sample_image(settings, numbers, modality, traits, canvas.tissue, scan)
    return Volume(image, grid), Volume(_label(settings, grid, canvas.tissue, traits.volume_mm3), grid)


def _label(settings: PhantomSettings, grid: Grid, tissue: np.ndarray, tumour_mm3: float) -> np.ndarray:
    """Label (Z, Y, X), uint8: a cochlea where it fills half of the point spread, the tumour in its drawn volume.

    A threshold at half would shrink small and narrow tumours; the voxels that hold most of it are taken instead.
    """
    labelled = np.isin(tissue, (Tissue.COCHLEA, Tissue.TUMOUR, Tissue.CYST))
    box = _box_around(labelled, HALVES * 2)
    tissue = tissue[box]
    cochlea = point_spread(settings, grid.spacing_zyx_mm, (tissue == Tissue.COCHLEA).astype(np.float32))
    tumour = (tissue == Tissue.TUMOUR) | (tissue == Tissue.CYST)
    filled = point_spread(settings, grid.spacing_zyx_mm, tumour.astype(np.float32))
    touched = filled[filled > _LEAST_FILLED]
    voxels = min(max(1, round(tumour_mm3 / grid.voxel_mm3)), touched.size)
    part = np.where(cochlea >= 0.5, 2, 0)
    part[filled >= np.partition(touched, touched.size - voxels)[touched.size - voxels]] = 1

    label = np.zeros(grid.shape, np.uint8)
    slices = slice(box[0].start // HALVES, box[0].stop // HALVES)
    label[slices, box[1], box[2]] = part
    return label


def _box_around(mask: np.ndarray, margin: int) -> Box:
    """The box that holds all of `mask` (2 Z, Y, X) and `margin` voxels around it, of whole slices."""
    box = []
    for axis, size in enumerate(mask.shape):
        filled = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        low, high = max(int(filled[0]) - margin, 0), min(int(filled[-1]) + 1 + margin, size)
        step = HALVES if axis == 0 else 1
        box.append(slice(low // step * step, -(-high // step) * step))
    return (box[0], box[1], box[2])
