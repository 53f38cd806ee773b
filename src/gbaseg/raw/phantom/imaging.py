"""From tissues to what a scanner stores: contrast, texture, bias, point spread, noise, units."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import ndimage

from gbaseg.raw.phantom.canvas import Tissue
from gbaseg.raw.phantom.fields import smooth_field
from gbaseg.raw.phantom.space import slabs
from gbaseg.raw.phantom.tumour import Traits
from gbaseg.raw.settings import PhantomCentre, PhantomSettings

Modality = Literal["ceT1", "hrT2"]

# Each voxel is made of two halves along z, averaged at the end: partial volume between slices.
HALVES = 2
_FWHM_PER_SIGMA = 2.355

# Mean intensity (fat on ceT1, CSF on hrT2 about 1) and SD of the texture inside a tissue, fraction of the mean.
# A tissue that is bright on ceT1 is a middle grey on hrT2 and CSF the reverse: to a good part the mapping
# from one to the other is a function of ceT1 and its neighbourhood, which is what the CycleGAN learns from.
# Blood and mucosa take up more contrast agent than a tumour does. Were they as bright on ceT1, a translation, which
# learns intensities before shapes, would paint tumours as black as flowing blood or as bright as mucosa.
_CONTRAST: dict[Tissue, tuple[float, float, float]] = {
    #                 ceT1  hrT2  texture
    Tissue.AIR:      (0.01, 0.01, 0.0),
    Tissue.SKIN:     (0.42, 0.26, 0.10),
    Tissue.FAT:      (0.92, 0.50, 0.08),
    Tissue.MUSCLE:   (0.36, 0.19, 0.10),
    Tissue.BONE:     (0.05, 0.04, 0.15),
    Tissue.MARROW:   (0.56, 0.28, 0.15),
    Tissue.CSF:      (0.16, 0.95, 0.04),
    Tissue.GREY:     (0.38, 0.46, 0.05),
    Tissue.WHITE:    (0.48, 0.34, 0.04),
    Tissue.STEM:     (0.46, 0.36, 0.05),
    Tissue.VESSEL:   (1.15, 0.10, 0.08),
    Tissue.MUCOSA:   (0.86, 0.60, 0.10),
    Tissue.VITREOUS: (0.15, 0.97, 0.02),
    Tissue.COCHLEA:  (0.15, 0.90, 0.04),
    Tissue.TUMOUR:   (1.00, 1.00, 0.0),
    Tissue.CYST:     (0.24, 0.86, 0.05),
}  # fmt: skip
# From patient to patient and scan to scan, log-normal.
_TISSUE_SPREAD = 0.04


def _tables(modality: Modality, traits: Traits, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of the texture of each tissue, (tissues,) float32; the tumour's relative to this scan's brain."""
    column = 0 if modality == "ceT1" else 1
    mean = np.array([_CONTRAST[t][column] for t in Tissue], np.float32)
    texture = np.array([_CONTRAST[t][2] for t in Tissue], np.float32)
    mean *= np.exp(rng.normal(0, _TISSUE_SPREAD, mean.shape)).astype(np.float32)
    if modality == "ceT1":
        mean[Tissue.TUMOUR] = traits.enhancement * mean[Tissue.WHITE]
        # Enhancement is more even than T2.
        texture[Tissue.TUMOUR] = 0.6 * traits.texture
    else:
        mean[Tissue.TUMOUR] = traits.t2_contrast * mean[Tissue.STEM]
        texture[Tissue.TUMOUR] = traits.texture
    return mean, mean * texture


def point_spread(
    settings: PhantomSettings, spacing_zyx_mm: tuple[float, float, float], halves: np.ndarray
) -> np.ndarray:
    """What slices (Z, Y, X) show of their halves (2 Z, Y, X): blurred in plane and along z, and averaged."""
    sigma = settings.blur_fwhm_mm / _FWHM_PER_SIGMA
    along_z = settings.slice_fwhm * HALVES / _FWHM_PER_SIGMA
    sigmas = (along_z, sigma / spacing_zyx_mm[1], sigma / spacing_zyx_mm[2])
    blurred = ndimage.gaussian_filter(halves, sigmas, truncate=2.5, mode="nearest")
    return blurred.reshape(-1, HALVES, *halves.shape[1:]).mean(axis=1)


def sample_image(
    settings: PhantomSettings,
    centre: PhantomCentre,
    modality: Modality,
    traits: Traits,
    tissue: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """One scan of `tissue` (2 Z, Y, X).

    Returns:
        (Z, Y, X) int16: |image * bias + complex noise| * scale (Rician), in the centre's units.
    """
    dz, dy, dx = centre.spacing_zyx_mm
    mean, texture = _tables(modality, traits, rng)
    # Coarse and fine grain; the tumour's own heterogeneity shows on both modalities at the same scale.
    image = smooth_field(rng, tissue.shape, (dz / HALVES, dy, dx), 4.5)
    for slab in slabs(image.shape):
        image[slab] = mean.take(tissue[slab]) + texture.take(tissue[slab]) * image[slab]
    image = point_spread(settings, centre.spacing_zyx_mm, image)
    image *= np.exp(np.float32(centre.bias) * smooth_field(rng, image.shape, centre.spacing_zyx_mm, 90.0))
    noise = np.float32(rng.uniform(*centre.noise))
    image += noise * rng.standard_normal(image.shape, dtype=np.float32)
    image = np.hypot(image, noise * rng.standard_normal(image.shape, dtype=np.float32))
    scale = centre.scale_ceT1 if modality == "ceT1" else centre.scale_hrT2
    scale *= float(np.exp(rng.normal(0, centre.scale_spread)))
    return np.clip(np.rint(image * np.float32(scale)), 0, np.iinfo(np.int16).max).astype(np.int16)
