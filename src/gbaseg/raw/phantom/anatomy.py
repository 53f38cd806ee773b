"""The head without a tumour: which tissue lies where. Positions and sizes are rough adult means, in mm."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from gbaseg.raw.phantom.canvas import Canvas, Tissue
from gbaseg.raw.phantom.space import Point, Space, box_around, grown

SKULL_MM = 6.5
# The internal auditory canal: porus and fundus on the left side; x is negated on the right.
PORUS: Point = (21.0, -1.0, 0.0)
FUNDUS: Point = (33.5, -1.8, 0.5)
COCHLEA: Point = (38.0, -5.5, -1.0)


def mirrored(point: Point, side: int) -> Point:
    """`point` of the left side on the left (`side` 1) or right (-1)."""
    return (side * point[0], point[1], point[2])


def head_depth(space: Space) -> np.ndarray:
    """Depth in mm below the skin, along the line to the head's axis; narrower towards the neck."""
    below = np.minimum(space.z + 8, 0)
    across = 73 + 0.06 * space.z
    slope = np.full_like(below, 0.15)
    slope[space.y > 0] = 0.42
    along = 89 + 0.05 * space.z + slope * below
    radius = np.sqrt(np.square(space.x) + np.square(space.y))
    ratio = np.sqrt(np.square(space.x / across) + np.square(space.y / along))
    return radius / np.maximum(ratio, 1e-3) - radius


def petrous_front(space: Space) -> np.ndarray:
    """y of the front face of the petrous bone, which runs outwards and backwards and is narrower at its top."""
    outward = np.maximum(np.abs(space.x) - 12, 0)
    return -17 + 0.20 * outward + 0.12 * np.maximum(space.z - 2, 0)


def petrous_back(space: Space) -> np.ndarray:
    """y of its back face."""
    outward = np.maximum(np.abs(space.x) - 12, 0)
    return -6 + 0.46 * outward - 0.12 * np.maximum(space.z - 2, 0)


def tentorium_height(space: Space) -> np.ndarray:
    """z of the sheet between cerebrum and cerebellum: high at the brain stem, low at the skull."""
    return 27 - 0.24 * np.abs(space.x) - 0.24 * np.maximum(space.y - 20, 0)


def cavity_depth(space: Space, depth: np.ndarray) -> np.ndarray:
    """Depth in mm below the inside of the skull: positive in the cranial cavity, outside the skull too low."""
    cavity = np.minimum(depth - 12.5, space.z - 15)  # of the calvarium

    def hollow(centre: Point, radii: Point, limit: Callable[[Space], np.ndarray] | None = None) -> None:
        # Nothing asks how far a voxel lies outside the skull.
        box = space.box(centre, tuple(r + 2 for r in grown(radii, SKULL_MM)))  # type: ignore[arg-type]
        part = space.part(box)
        inside = part.ellipsoid(centre, radii)
        if limit is not None:
            inside = np.minimum(inside, limit(part))
        np.maximum(cavity[box], inside, out=cavity[box])

    hollow((0, 36, 0), (53, 44, 36), lambda posterior: 0.9 * (posterior.y - petrous_back(posterior)))
    for side in (1, -1):
        hollow((side * 42, -14, 6), (24, 28, 20), lambda middle: 0.95 * (petrous_front(middle) - middle.y))
    hollow((0, 21, -40), (15, 15, 60), lambda canal: -8 - canal.z)
    hollow((0, -19, 14), (13, 9, 9))  # the sella
    return np.minimum(cavity, depth - 11.5, out=cavity)


def paint_head(canvas: Canvas, depth: np.ndarray, cavity: np.ndarray, blobs: np.ndarray) -> None:
    """Scalp, face, neck and skull. `blobs`: a field of SD 1 that spreads fat among muscle."""
    canvas.in_slabs(_paint_scalp, depth, blobs)
    for side in (1, -1):
        canvas.ellipsoid((side * 31, -60, 0), (17, 22, 15), Tissue.FAT, Tissue.BONE)
        canvas.capsule((side * 30, -62, 0), (side * 14, -32, 4), 1.8, Tissue.WHITE)
        canvas.capsule((side * 42, -64, 0), (side * 20, -34, 2), 1.8, Tissue.MUSCLE)
        canvas.capsule((side * 21, -64, 0), (side * 14, -36, 2), 1.8, Tissue.MUSCLE)
        canvas.ellipsoid((side * 32, -72, 0), (12, 12, 12), Tissue.VITREOUS, Tissue.SKIN, 0.9)
        canvas.ellipsoid((side * 28, -58, -32), (13, 17, 15), Tissue.AIR, Tissue.MUCOSA, 1.8)
        canvas.capsule((side * 5, -82, -16), (side * 5, -44, -14), 4.5, Tissue.AIR)
    canvas.ellipsoid((0, -60, -8), (11, 24, 20), Tissue.MUCOSA, Tissue.BONE, 1.0)
    for x, y, z in ((-6, -70, -2), (6, -68, -2), (-5, -57, 0), (6, -54, -3), (-5, -45, -4), (5, -70, -16)):
        canvas.ellipsoid((x, y, z), (4.2, 6, 9), Tissue.AIR)
    canvas.ellipsoid((0, -52, -38), (9, 26, 10), Tissue.AIR, Tissue.MUCOSA, 2.0)

    canvas.in_slabs(_paint_skull, depth, cavity)
    canvas.ellipsoid((0, -13, -12), (11, 7.5, 22), Tissue.MARROW, Tissue.BONE, 2.0)
    canvas.ellipsoid((0, -30, -2), (12, 10, 10), Tissue.AIR, Tissue.MUCOSA, 1.2)

    temporal = canvas.space.box((0, 7, -4), (68, 30, 25))
    canvas.part(temporal).in_slabs(_paint_petrous, depth[temporal], cavity[temporal], blobs[temporal])
    for side in (1, -1):
        canvas.capsule((side * 76, -2, -4), (side * 46, -3, -2), 3.2, Tissue.AIR)
        canvas.ellipsoid((side * 44, -1, 0), (3, 5, 6), Tissue.AIR)
        canvas.capsule((side * 22, -10, -40), (side * 24, -12, -10), 3.0, Tissue.VESSEL)
        canvas.capsule((side * 24, -12, -10), (side * 12, -18, -4), 2.5, Tissue.VESSEL)
        canvas.ellipsoid((side * 29, 2, -24), (5, 5, 12), Tissue.VESSEL)


def _paint_scalp(part: Canvas, depth: np.ndarray, blobs: np.ndarray) -> None:
    """Skin, and fat under it and among muscle."""
    part.tissue[depth > 0] = Tissue.SKIN
    part.tissue[depth > 1.6] = Tissue.FAT
    deep = depth > 6.0 + 0.8 * blobs
    part.tissue[deep] = Tissue.MUSCLE
    part.tissue[deep & (blobs > 0.7)] = Tissue.FAT


def _paint_skull(part: Canvas, depth: np.ndarray, cavity: np.ndarray) -> None:
    """Two tables of dense bone with marrow between, around the cavity."""
    outside = -cavity
    skull = (outside > 0) & (outside < SKULL_MM) & (depth > 4.5)
    part.tissue[skull] = Tissue.BONE
    part.tissue[skull & (outside > 2.0) & (outside < SKULL_MM - 1.8)] = Tissue.MARROW


def _paint_petrous(part: Canvas, depth: np.ndarray, cavity: np.ndarray, blobs: np.ndarray) -> None:
    """The petrous bones and behind them the mastoids, which are full of air."""
    space, tissue = part.space, part.tissue
    front, back = petrous_front(space), petrous_back(space)
    outward = np.abs(space.x)
    petrous = (space.y > front - 2) & (space.y < back + 2) & (outward > 11) & (np.abs(space.z) < 17)
    petrous &= (depth > 14) & (cavity < 0)
    tissue[petrous] = Tissue.BONE
    tissue[petrous & (outward < 19) & (np.abs(space.z) < 12) & (cavity < -2)] = Tissue.MARROW
    mastoid = (outward > 43) & (space.y > front) & (space.y < back + 14) & (depth > 10) & (cavity < -2)
    mastoid &= (space.z < 14) & (space.z > -26)
    tissue[mastoid] = Tissue.BONE
    tissue[mastoid & (blobs > -0.2)] = Tissue.AIR


def paint_brain(canvas: Canvas, cavity: np.ndarray, gyri: np.ndarray) -> None:
    """CSF spaces and brain inside the cavity. `gyri`: a field of SD 1 that folds the cortex.

    `canvas.space` may be pushed aside by a tumour, `cavity` (the skull) is not.
    """
    # Painted apart, so that nothing of it comes to lie on the skull.
    head, canvas = canvas.tissue, Canvas(canvas.space, np.full(cavity.shape, Tissue.CSF, np.uint8))
    canvas.in_slabs(_paint_cerebrum, cavity, gyri)
    for side in (1, -1):
        canvas.ellipsoid((side * 24, -8, 36), (8, 17, 12), Tissue.GREY)
        canvas.capsule((side * 50, -26, 24), (side * 20, -14, 20), 2.2, Tissue.CSF)
        canvas.capsule((side * 30, -8, 8), (side * 33, 8, 14), 1.9, Tissue.CSF)
        canvas.capsule((side * 22, 10, 40), (side * 27, 40, 32), 3.2, Tissue.CSF, 5.0)
    canvas.ellipsoid((0, -13, 20), (12, 9, 10), Tissue.CSF)
    canvas.in_slabs(_paint_cerebellum, cavity, gyri)

    # Brain stem, its stalks to the cerebellum, fourth ventricle and the cisterns' vessels.
    canvas.ellipsoid((0, 11, 3), (17.5, 13, 15), Tissue.STEM)
    canvas.capsule((0, 15, -10), (0, 21, -48), 9.0, Tissue.STEM, 6.5)
    canvas.capsule((-5, 9, 15), (-14, 2, 40), 9.0, Tissue.STEM, 12.0)
    canvas.capsule((5, 9, 15), (14, 2, 40), 9.0, Tissue.STEM, 12.0)
    for side in (1, -1):
        canvas.capsule((side * 9, 15, 0), (side * 25, 36, -1), 7.5, Tissue.WHITE, 6.0)
    canvas.ellipsoid((0, -4, 30), (4, 6, 9), Tissue.CSF)
    canvas.ellipsoid((0, 26.5, 1), (8.5, 4.5, 12), Tissue.CSF)
    canvas.capsule((0, 19, 14), (0, 16, 32), 1.4, Tissue.CSF)
    canvas.capsule((1.0, -4.5, -8), (-0.5, -5.0, 16), 1.7, Tissue.VESSEL)
    np.copyto(head, canvas.tissue, where=cavity > 0)


def _paint_cerebrum(part: Canvas, cavity: np.ndarray, gyri: np.ndarray) -> None:
    """All above the tentorium and before the petrous bones."""
    space, tissue = part.space, part.tissue
    supra = (space.z > tentorium_height(space) + 1.0) | (space.y < petrous_front(space) + 2)
    # The zeros of the field are sulci: near the surface lined with grey matter, and open to the CSF.
    fold = np.abs(gyri)
    tissue[supra & (cavity > 1.6)] = Tissue.GREY
    tissue[supra & (cavity > 4.6) & ((fold > 0.38) | (cavity > 17))] = Tissue.WHITE
    tissue[supra & (fold < 0.10) & (cavity < 13)] = Tissue.CSF
    tissue[supra & (np.abs(space.x) < 1.3) & ((space.y < -14) | (space.y > 26))] = Tissue.CSF


def _paint_cerebellum(part: Canvas, cavity: np.ndarray, gyri: np.ndarray) -> None:
    """All of the posterior fossa but the cisterns before it, at the angle and below its tonsils.

    Its folia are thin curved sheets of grey and white matter, with CSF between them near the surface.
    """
    below, back = tentorium_height(part.space) - 1.0, petrous_back(part.space)
    fossa = box_around((part.space.z < below) & (part.space.y > back))
    part, cavity, gyri, below, back = part.part(fossa), cavity[fossa], gyri[fossa], below[fossa], back[fossa]
    space, tissue = part.space, part.tissue
    outward = np.abs(space.x)
    angle = 8.5 * np.exp(-np.square((outward - 17) / 10) - np.square((space.z - 1) / 20))
    lower = np.maximum(-14 - space.z, 0)
    magna = 0.55 * lower + 2 - np.sqrt(np.square(space.x) + np.square(space.y - 66 + 1.4 * lower))
    cerebellum = reduce(
        np.minimum,
        (
            cavity - 1.6,
            below - space.z,
            0.9 * (space.y - np.maximum(back + 3 + angle, 22 - 0.5 * outward + 0.15 * lower)),
            -magna,
            space.z + 33 - 0.12 * outward,
        ),
    )
    folia = np.sin(0.75 * space.z + 0.22 * outward - 0.62 * space.y + 1.6 * gyri)
    grey = cerebellum > 0
    tissue[grey] = Tissue.GREY
    tissue[grey & (cerebellum > 3.5) & (folia > 0.45)] = Tissue.WHITE
    tissue[(cerebellum > 11 + 1.5 * gyri) & (outward > 7)] = Tissue.WHITE
    tissue[grey & (cerebellum < 6) & (folia < -0.92)] = Tissue.CSF


def paint_vessels_and_ears(canvas: Canvas, cavity: np.ndarray) -> None:
    """Venous sinuses, carotids, and on both sides the auditory canal, cochlea, vestibule and a ring canal."""
    behind = canvas.space.box((0, 55, 4), (70, 35, 27))
    canvas.part(behind).in_slabs(_paint_sinuses, cavity[behind])
    for side in (1, -1):
        canvas.capsule((side * 12, -20, 2), (side * 12, -22, 16), 2.4, Tissue.VESSEL)
        canvas.capsule(mirrored(PORUS, side), mirrored(FUNDUS, side), 3.4, Tissue.CSF, 2.3)
        canvas.capsule((side * 14, 7, 0), mirrored(FUNDUS, side), 0.8, Tissue.STEM)
        canvas.ellipsoid((side * 38.5, 2.5, 0.5), (2.3, 3.0, 2.4), Tissue.CSF)
        canvas.torus((side * 41, 6, 1), (0.2 * side, 0.3, 1), 3.3, 0.9, Tissue.CSF)
        canvas.torus(mirrored(COCHLEA, side), (side * 0.7, -0.7, -0.15), 2.4, 1.35, Tissue.COCHLEA)
        apex = (side * (COCHLEA[0] + 1.2), COCHLEA[1] - 1.2, COCHLEA[2])
        canvas.ellipsoid(apex, (1.6, 1.6, 1.5), Tissue.COCHLEA)


def _paint_sinuses(part: Canvas, cavity: np.ndarray) -> None:
    """Transverse and sigmoid sinuses, along the wall of the cavity."""
    space = part.space
    wall = (cavity > -1.0) & (cavity < 3.6)
    transverse = (np.abs(space.z - tentorium_height(space) + 1) < 3.0) & (space.y > 30)
    sigmoid = (np.abs(space.x) > 34) & (np.abs(space.y - 27) < 4.5) & (np.abs(space.z + 4) < 16)
    part.tissue[wall & (transverse | sigmoid)] = Tissue.VESSEL
