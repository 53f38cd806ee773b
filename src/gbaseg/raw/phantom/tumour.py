"""The vestibular schwannoma: its traits are drawn once a patient, its shape is grown to the drawn volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from gbaseg.raw.phantom.anatomy import FUNDUS, PORUS, mirrored
from gbaseg.raw.phantom.canvas import Canvas, Tissue
from gbaseg.raw.phantom.fields import smooth_field
from gbaseg.raw.phantom.space import Point, Space
from gbaseg.raw.settings import PhantomCentre, PhantomSettings
from gbaseg.runtime.seeds import numpy_generator

# Fractional parts of the golden ratio and of the square root of 2: multiples of either fill [0, 1) evenly.
_EVEN_STEPS = (0.6180339887498949, 0.41421356237309503)


@dataclass(frozen=True)
class Traits:
    """What is drawn about one patient's tumour.

    Args:
        side: 1 left, -1 right.
        volume_mm3: volume, cysts included.
        t2_contrast: hrT2 intensity of the solid part over the brain stem's.
        enhancement: ceT1 intensity of the solid part over white matter's.
        texture: SD inside the solid part, fraction of its mean.
        cystic: part of the interior that is cyst, 0 for a solid tumour.
        axes: relative half axes of the cisternal part.
        lean: direction (x outwards) from the porus to the centre of the cisternal part.
    """

    side: int
    volume_mm3: float
    t2_contrast: float
    enhancement: float
    texture: float
    cystic: float
    axes: Point
    lean: Point

    @property
    def canal_mm3(self) -> float:
        """Volume that lies in the auditory canal; the canal holds about 280 mm3."""
        return min(0.6 * self.volume_mm3, 280.0)

    @property
    def radius_mm(self) -> float:
        """Radius of a ball of the cisternal part's volume."""
        return float(np.cbrt(3 * (self.volume_mm3 - self.canal_mm3) / (4 * np.pi)))

    @property
    def centre(self) -> Point:
        """Centre of the cisternal part, which rests against the porus."""
        reach = 0.8 * self.radius_mm
        return mirrored(tuple(p + reach * d for p, d in zip(PORUS, self.lean, strict=True)), self.side)  # type: ignore[arg-type]


def _between(low_high: tuple[float, float], u: float) -> float:
    """The fraction `u` of the way from low to high, on a log scale."""
    low, high = low_high
    return float(low * (high / low) ** u)


def sample_traits(settings: PhantomSettings, centre: PhantomCentre, seed: int, name: str, number: int) -> Traits:
    """Draw a tumour.

    Volume and T2 contrast come from an evenly spread sequence over `number`, shifted by the seed, so that a split of
    a few cases spans both ranges; the rest is drawn freely.
    """
    start = numpy_generator(seed, "phantom", name, "start").uniform(size=2)
    even = (start + number * np.array(_EVEN_STEPS)) % 1.0
    rng = numpy_generator(seed, "phantom", name, number, "tumour")
    weak = rng.uniform() < settings.weak_fraction
    lean = np.array([rng.uniform(-0.75, -0.25), rng.uniform(0.75, 1.0), rng.uniform(-0.3, 0.3)])
    axes = np.exp(rng.normal(0, 0.12, 3))
    return Traits(
        side=1 if rng.uniform() < 0.5 else -1,
        volume_mm3=_between(centre.tumour_volume_mm3, float(even[0])),
        t2_contrast=_between(centre.tumour_t2_contrast, float(even[1])),
        enhancement=_between(settings.weak_enhancement if weak else settings.enhancement, rng.uniform()),
        texture=_between(centre.tumour_texture, rng.uniform()),
        cystic=float(rng.uniform(0.1, 0.3)) if rng.uniform() < centre.tumour_cystic else 0.0,
        axes=tuple(float(v) for v in axes / np.cbrt(axes.prod())),  # type: ignore[arg-type]
        lean=tuple(float(v) for v in lean / np.linalg.norm(lean)),  # type: ignore[arg-type]
    )


def pushed_aside(space: Space, traits: Traits) -> Space:
    """The space in which the brain, but not the skull, has made room for the tumour."""
    return space.pushed_from(traits.centre, 0.75 * traits.radius_mm)


def paint_tumour(canvas: Canvas, cavity: np.ndarray, traits: Traits, rng: np.random.Generator) -> None:
    """Grow the tumour from the canal into the cistern until it has its volume, and paint it with its cysts.

    A level set (ball and tapered rod, roughened by a smooth field) is cut at the level that encloses the volume;
    bone stops it except around the canal, which it widens. Brain that touches it is parted from it by a thin, not
    everywhere open cleft of CSF.
    """
    radius, centre = traits.radius_mm, traits.centre
    porus, fundus = mirrored(PORUS, traits.side), mirrored(FUNDUS, traits.side)
    reach = radius * max(traits.axes) * 1.3 + 4
    low = np.minimum(np.array(centre) - reach, np.minimum(porus, fundus) - np.array(6.0))
    high = np.maximum(np.array(centre) + reach, np.maximum(porus, fundus) + np.array(6.0))
    box = canvas.space.box(tuple((low + high) / 2), tuple((high - low) / 2))  # type: ignore[arg-type]
    space, tissue = canvas.space.part(box), canvas.tissue[box]
    spacing = canvas.space.spacing_zyx_mm

    ball = space.ellipsoid(centre, tuple(radius * a for a in traits.axes))  # type: ignore[arg-type]
    # A small tumour does not reach the fundus.
    depth_of_canal = float(np.clip(traits.canal_mm3 / 280, 0.45, 1.0))
    end: Point = tuple(p + depth_of_canal * (f - p) for p, f in zip(porus, fundus, strict=True))  # type: ignore[assignment]
    stalk = space.capsule(porus, end, 3.3, 2.4)
    rough = smooth_field(rng, tissue.shape, spacing, 7.0)
    level = np.maximum(ball, stalk) + np.float32(0.1 * min(radius, 8) + 0.25) * rough
    allowed = (cavity[box] > -0.7) | (stalk > -2.0)
    inside = level[allowed]
    voxels = min(round(traits.volume_mm3 / float(np.prod(spacing))), inside.size)
    cut = np.partition(inside, inside.size - voxels)[inside.size - voxels]
    components, _ = ndimage.label(allowed & (level >= cut))
    tumour = components == np.bincount(components.ravel())[1:].argmax() + 1

    brain = np.isin(tissue, (Tissue.GREY, Tissue.WHITE, Tissue.STEM, Tissue.VESSEL))
    cleft = allowed & (level > cut - 0.5 - 0.5 * rough) & brain & (cavity[box] > 0)
    tissue[cleft] = Tissue.CSF
    tissue[tumour] = Tissue.TUMOUR
    if traits.cystic > 0:
        blobs = smooth_field(rng, tissue.shape, spacing, max(3.5, 0.45 * radius))
        interior = tumour & (level > cut + 1.2) & (ball > 0)
        if interior.any():
            threshold = np.quantile(blobs[interior], 1 - traits.cystic)
            tissue[interior & (blobs > threshold)] = Tissue.CYST
