"""The numbers of the translation from source to target modality (METHOD 3 and 4)."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gbaseg.settings import Count, Fraction, Positive, Settings

# A momentum of 1 would never forget, and Adam divides by 1 - beta.
Beta = Annotated[float, Field(ge=0.0, lt=1.0)]
NotNegative = Annotated[float, Field(ge=0.0)]


# A way to make pseudo-target images. `docs/own_data.md` says where another one goes.
Mode = Literal["cyclegan", "histogram", "randomise", "none"]
# Of them, those that train a network, which another `translation.run` trains otherwise.
TRAINED: tuple[Mode, ...] = ("cyclegan",)
# Source images are trained on as they are.
UNTRANSLATED: tuple[Mode, ...] = ("randomise", "none")
# Translations by which intensities keep their order: a contrast at random may be that of such an image.
IN_ORDER: tuple[Mode, ...] = ("histogram",)


class CycleGANSettings(Settings):
    """Training of the CycleGAN. Defaults: the paper's, and where it is silent those of the official code."""

    epochs: Count = Field(100, description="epochs at the full learning rate (official code)")
    decay_epochs: int = Field(
        100, ge=0, description="epochs after those, over which the learning rate falls linearly (official code)"
    )
    steps_per_epoch: Count | None = Field(
        None, description="training steps an epoch; null = every slice of the longer domain once (official code)"
    )
    batch_size: Count = Field(1, description="slices of each domain a step (official code)")
    mu_cyc: NotNegative = Field(10.0, description="weight of the cycle loss, Eq. 3 (paper)")
    identity_weight: NotNegative = Field(
        0.5, description="weight of the identity loss as a multiple of mu_cyc; 0 = off (official code)"
    )
    adversarial: Literal["least_squares", "log"] = Field(
        "least_squares", description="least_squares (official code) | log (paper, Eq. 1)"
    )
    learning_rate: Positive = Field(2e-4, description="Adam's step size (official code)")
    betas: tuple[Beta, Beta] = Field((0.5, 0.999), description="Adam's two decay rates (official code)")
    pool_size: int = Field(
        50, ge=0, description="translated slices kept to show the discriminator again; 0 = off (official code)"
    )
    generator_width: Count = Field(64, description="channels of the generator's first layer (official code)")
    generator_halvings: Annotated[int, Field(ge=0, le=4)] = Field(
        2,
        description="times the generator halves height and width before its residual blocks: on a coarse grid each "
        "costs anatomy (official code)",
    )
    residual_blocks: Count = Field(9, description="residual blocks of the generator (official code)")
    discriminator_width: Count = Field(64, description="channels of the discriminator's first layer (official code)")
    discriminator_layers: Count = Field(
        3, description="stride-2 layers of the discriminator; 3 = it judges 70 x 70 pixel patches (official code)"
    )
    crop_yx: tuple[Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)]] | None = Field(
        None, description="train on random crops of this many pixels (y, x); null = the whole slice"
    )
    random_flip: bool = Field(True, description="mirror slices left-right at random while training (official code)")
    mode: Literal["fast", "reference"] = Field(
        "fast",
        description="fast: convolutions in bfloat16 where the device has it, and a GPU repeats recorded steps | "
        "reference: in float32, step by step (ours)",
    )
    tissue_above: Fraction = Field(0.05, description="intensity in [0, 1] above which a pixel counts as tissue (ours)")
    min_tissue_fraction: Fraction = Field(
        0.05, description="share of a slice that must be tissue for the slice to take part in training (ours)"
    )


class VanCittertSettings(Settings):
    """Van Cittert deconvolution of the pseudo-target images (METHOD 4)."""

    iterations: int = Field(15, ge=0, description="iterations; 0 = no deconvolution (paper)")
    alpha: float = Field(1.0, gt=0.0, lt=2.0, description="relaxation; converges between 0 and 2 (paper)")
    psf_mm_xyz: tuple[NotNegative, NotNegative, NotNegative] = Field(
        (1.0, 1.0, 2.5), description="scale of the Gaussian point spread function along x, y, z in mm (paper); 0: none"
    )
    psf_is: Literal["fwhm", "sigma"] = Field(
        "fwhm", description="what that scale is; the paper does not say (METHOD 4 on why fwhm)"
    )


class FailureChecks(Settings):
    """Where the checks that need no target label say that a translation has failed (METHOD 3); all ours."""

    edge_agreement_below: Fraction | None = Field(
        0.1, description="of the gradients of source and translated image; unrelated heads of the phantom have 0.09"
    )
    cycle_error_above: Fraction | None = Field(
        0.12, description="mean error there and back, intensities in [0, 1]; unrelated heads of the phantom have 0.12"
    )
    patch_ratio_above: Positive | None = Field(
        1.0, description="distance of translated patches to the real target's over that of untranslated ones"
    )
    contrast_distance_above: Positive | None = Field(
        None,
        description="between the tumour contrasts of the translated images and of the target as the survey finds it, "
        "intensities in [0, 1]; null: not looked at, as rescaled copies are to mend it",
    )


class AutoSettings(Settings):
    """Mode auto: what is tried, and how (METHOD 3); all ours."""

    candidates: list[Mode] = Field(
        ["none", "histogram", "randomise", "cyclegan"],
        min_length=1,
        description="modes that are tried, each once; one that leaves images as they are (randomise, else none) is "
        "used unless another is ahead by a standard error of the cases",
    )
    cyclegan_runs: Count = Field(1, description="CycleGANs among them, each of another seed, from translation.run on")
    seeds: int = Field(
        3,
        ge=2,
        description="short trainings of each, whose agreement it is judged by; of two nothing is known of how far "
        "other seeds would change the order",
    )
    epochs: Count = Field(10, description="of each of them, of one fold as the survey's")

    @property
    def tried(self) -> list[Mode]:
        """Mode of each candidate: a CycleGAN's as often as there are runs of it."""
        return [mode for mode in self.candidates for _ in range(self.cyclegan_runs if mode == "cyclegan" else 1)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError(f"candidates names a mode twice: {self.candidates}")
        return self


class TranslationSettings(Settings):
    """How source images become pseudo-target images."""

    mode: Mode | Literal["auto"] = Field(
        "cyclegan",
        description="cyclegan (paper) | histogram: intensities get the target's distribution, in their order (ours, to "
        "compare with) | randomise: no translation, contrasts at random in training (likewise) | none: source images "
        "are used as they are | auto: of these what short trainings agree on best, without target labels (ours)",
    )
    centre: str = Field(
        "A", min_length=1, description="centre whose scans train the CycleGAN: A (paper) | B | ... | both"
    )
    run: int = Field(
        0, ge=0, description="number of the retraining; another run is another seed (Table I, axis 'runs')"
    )
    failure_dice: Fraction = Field(
        0.4,
        description="mean Dice of the arm without copies in the first round, at or below which the translation counts "
        "as failed (paper)",
    )
    failure_checks: FailureChecks = FailureChecks()
    auto: AutoSettings = AutoSettings()
    cyclegan: CycleGANSettings = CycleGANSettings()
    van_cittert: VanCittertSettings = VanCittertSettings()

    @property
    def modes(self) -> Sequence[Mode]:
        """Modes that may be used."""
        return self.auto.candidates if self.mode == "auto" else [self.mode]

    @property
    def translates(self) -> bool:
        """Whether source images may be changed before anything is trained on them."""
        return any(mode not in UNTRANSLATED for mode in self.modes)
