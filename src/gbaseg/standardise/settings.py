"""Settings of standardisation: section `standardise` of params.yaml (METHOD 2)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gbaseg.planes import Slices
from gbaseg.settings import Positive, Settings

Percentile = Annotated[float, Field(ge=0.0, le=100.0)]
Spacing = tuple[Positive, Positive, Positive]


ForegroundKind = Literal["head", "nonzero", "all"]


class StandardiseSettings(Settings):
    """The common grid and intensity range of all scans."""

    slices: Slices = Field(
        default="acquired",
        description="slices that Z goes through, and that the crop, the CycleGAN and SinGAN work on. acquired: across "
        "the clearly thickest voxels, axial where voxels are near isotropic; axial (paper), sagittal, coronal: along "
        "the voxel axes nearest to that plane (ours)",
    )
    spacing_xyz_mm: Spacing = Field(
        default=(0.6, 0.6, 1.0),
        description="voxel size along (x, y, z) of the standard grid, z across its slices, mm (paper)",
    )
    smooth_shrinking: bool = Field(
        default=True,
        description="smooth images along axes on which voxels become larger, against aliasing (ours); false: sharper "
        "edges on a coarse grid, as nnU-Net resamples",
    )
    crop_xy_px: int = Field(
        default=256, ge=8, description="side of the square crop around the brain, voxels of the standard grid (paper)"
    )
    crop_z_px: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="slices to keep, centred on the brain centre, padded where the scan has fewer; "
        "null: all of the scan's own (paper)",
    )
    brain_percentile: Annotated[float, Field(ge=0.0, lt=100.0)] = Field(
        default=75.0, description="brain centre = mean position of the voxels above this intensity percentile (paper)"
    )
    intensity_percentiles: tuple[Percentile, Percentile] = Field(
        default=(0.0, 99.9),
        description="percentiles of the foreground that become 0 and 1; beyond them is clipped (ours: the paper "
        "gives none)",
    )
    foreground: ForegroundKind = Field(
        default="head",
        description="voxels of which the percentiles are taken. head: above the lower of two Otsu thresholds, then "
        "every slice filled, so that air is out and dark tissue in; nonzero: for skull-stripped images; all (ours)",
    )
    fine_spacing_xyz_mm: Spacing | None = Field(
        default=None,
        description="voxel size along (x, y, z) of the finer grid on which target images are written as well for "
        "the last round, mm (paper: 0.4, 0.4, 1.0); null: no finer grid. Covers the same box of the patient",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.intensity_percentiles
        if low >= high:
            raise ValueError(f"intensity_percentiles {[low, high]}: the first must be the smaller one")
        return self
