"""Numbers of the phantom. Sizes and contrasts are chosen to resemble CrossMoDA 2022, not taken from the paper."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from gbaseg.settings import Fraction, Positive, Settings

Range = tuple[Positive, Positive]
Cases = Annotated[int, Field(ge=0)]


class PhantomCentre(Settings):
    """One centre: its scanner, its patients, and how many of them each split has."""

    source_cases: Cases = Field(12, description="ceT1 scans with labels, `training_source`")
    target_cases: Cases = Field(8, description="hrT2 scans to adapt to, `training_target`")
    validation_cases: Cases = Field(7, description="hrT2 scans held out, `validation`")

    spacing_zyx_mm: tuple[Positive, Positive, Positive] = Field(description="voxel size along (Z, Y, X), mm")
    scale_ceT1: Positive = Field(description="stored value of a ceT1 intensity of 1 (about fat), scanner units")
    scale_hrT2: Positive = Field(description="stored value of an hrT2 intensity of 1 (about CSF), scanner units")
    scale_spread: Fraction = Field(0.15, description="log-normal SD of both scales from scan to scan")
    noise: Range = Field(description="SD of the Rician noise, lowest and highest, fraction of the scale")
    bias: Fraction = Field(description="log-normal SD of the bias field within a scan")

    tumour_volume_mm3: Range = Field(description="smallest and largest tumour, log-uniform between, mm3")
    tumour_t2_contrast: Range = Field(
        description="hrT2 intensity of the tumour's solid part over the brain stem's: lowest, highest, log-uniform"
    )
    tumour_texture: Range = Field(
        description="SD of the intensity inside the solid part, lowest and highest, fraction of its mean"
    )
    tumour_cystic: Fraction = Field(description="fraction of tumours that are partly cystic")

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Self:
        for name in ("noise", "tumour_volume_mm3", "tumour_t2_contrast", "tumour_texture"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: lowest {low} is above highest {high}")
        return self


class PhantomSettings(Settings):
    """The made-up data set: two centres, two modalities, one tumour a patient, every patient scanned once."""

    # Less would cut off ears or tumour.
    extent_zyx_mm: tuple[
        Annotated[float, Field(ge=40)], Annotated[float, Field(ge=100)], Annotated[float, Field(ge=120)]
    ] = Field(
        (80.0, 200.0, 168.0), description="size of every scan along (Z, Y, X), mm: a slab at the ear, all of the head"
    )
    head_scale_spread: Fraction = Field(0.03, description="SD of the head's size from patient to patient, each axis")
    deformation_mm: float = Field(2.0, ge=0, le=4, description="SD of the smooth shift of anatomy, each axis, mm")
    deformation_length_mm: Positive = Field(34.0, description="distance over which that shift changes, mm")
    head_tilt_deg: float = Field(3.0, ge=0, le=10, description="SD of the head's rotation about each axis, degrees")
    oblique_fraction: Fraction = Field(0.4, description="fraction of scans with an oblique direction")
    obliquity_deg: float = Field(4.0, ge=0, le=20, description="SD of an oblique scan's rotation, degrees")
    blur_fwhm_mm: Positive = Field(1.1, description="in-plane FWHM of the point spread, mm")
    slice_fwhm: Positive = Field(1.0, description="FWHM of the slice profile, fraction of the slice thickness")
    enhancement: Range = Field((1.3, 1.65), description="ceT1 intensity of the tumour over white matter's")
    weak_fraction: Fraction = Field(0.06, description="fraction of tumours that enhance weakly")
    weak_enhancement: Range = Field((1.1, 1.25), description="the same ratio for those")

    centre_a: PhantomCentre = Field(
        PhantomCentre(
            spacing_zyx_mm=(1.8, 0.9, 0.9),
            scale_ceT1=900.0,
            scale_hrT2=620.0,
            noise=(0.015, 0.025),
            bias=0.06,
            tumour_volume_mm3=(400.0, 6000.0),
            tumour_t2_contrast=(1.0, 1.5),
            tumour_texture=(0.06, 0.14),
            tumour_cystic=0.15,
        ),
        description="centre A (`ldn`)",
    )
    centre_b: PhantomCentre = Field(
        PhantomCentre(
            spacing_zyx_mm=(2.4, 1.0, 1.0),
            scale_ceT1=2600.0,
            scale_hrT2=1500.0,
            noise=(0.02, 0.035),
            bias=0.10,
            tumour_volume_mm3=(800.0, 12000.0),
            tumour_t2_contrast=(0.55, 2.0),
            tumour_texture=(0.12, 0.25),
            tumour_cystic=0.3,
        ),
        description="centre B (`etz`)",
    )
