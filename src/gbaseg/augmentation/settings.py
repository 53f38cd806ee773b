"""Numbers of the augmentation room (METHOD 5). The defaults are the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from gbaseg.settings import Count, Fraction, Positive, Settings

Sizes = bool | Literal["if_needed"]
_SIZES: TypeAdapter[Sizes] = TypeAdapter(Sizes)


class Rule(Settings):
    """Which source cases get rescaled copies, and with which factors."""

    # No underscore: the rule is the last part but two of a copy's name, which would otherwise be ambiguous.
    name: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="Part of the copies' names; unique")
    structure: str = Field("VS", description="Label that is measured and rescaled, by its name in the data set")
    centres: list[str] | Literal["both"] = Field("both", description="Centres whose cases may qualify")
    volume_mm3_above: float | None = Field(None, ge=0, description="Least volume, exclusive, mm3")
    volume_mm3_below: float | None = Field(None, gt=0, description="Largest volume, exclusive, mm3")
    std_above: float | None = Field(
        None, ge=0, description="Least standard deviation inside the structure, exclusive, intensities in [0, 1]"
    )
    lambdas: list[Positive] = Field([], description="Factors of Eq. 5; one copy each")
    adaptive: int = Field(
        0, ge=0, description="Copies besides, of contrasts that are drawn from what the target shows (ours); 0: none"
    )
    adaptive_size: Sizes = Field(
        False,
        description="They take a size that the target shows, too: the diameter times 0.8 to 1.25 (ours); if_needed: "
        "where contrasts alone leave over 0.4 of the source's distance to the target",
    )
    k_star: list[Annotated[int, Field(ge=0)]] = Field(
        [1, 3], min_length=1, description="Harmonisation starts this many scales below the finest (Eq. 6)"
    )

    @field_validator("centres", mode="before")
    @classmethod
    def _both_or_a_list(cls, centres: object) -> object:
        if isinstance(centres, str) and centres != "both":
            raise ValueError(f"allowed: both, or a list such as [{centres}]")
        return centres

    @field_validator("adaptive_size", mode="before")
    @classmethod
    def _said_or_if_needed(cls, given: object) -> object:
        """Its own words for all that is allowed: pydantic tells of each kind by itself."""
        try:
            return _SIZES.validate_python(given)
        except ValidationError as error:
            raise ValueError("allowed: true, false or if_needed") from error

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.volume_mm3_above, self.volume_mm3_below
        if low is not None and high is not None and low >= high:
            raise ValueError(
                f"rule {self.name}: volume_mm3_above ({low:g}) must be less than volume_mm3_below ({high:g})"
            )
        if self.centres == []:
            raise ValueError(f"rule {self.name}: centres is empty; name at least one, or both")
        if not self.lambdas and not self.adaptive:
            raise ValueError(f"rule {self.name}: no lambdas; name at least one, or let adaptive copies be drawn")
        for key, values in (("lambdas", [f"{value:g}" for value in self.lambdas]), ("k_star", self.k_star)):
            if len(set(values)) < len(values):
                raise ValueError(f"rule {self.name}: {key} names a value twice: {values}")
        return self


def largest_k_star(rules: Sequence[Rule]) -> int:
    """Of all rules."""
    return max(k_star for rule in rules for k_star in rule.k_star)


class SinGANSettings(Settings):
    """The pyramid, its networks and their training."""

    image: Literal["target_slice", "pseudo_target"] = Field(
        "target_slice",
        description="Trained on one real target slice (paper III-C), or one model a case on the case's own central "
        "tumour slice (caption of Fig. 3)",
    )
    slice_centre: str = Field("both", description="Centre the real slice is chosen from, or both")
    min_size: int = Field(25, ge=11, description="Shorter side of the coarsest scale, pixels; >= the 11 x 11 patch")
    scale_factor: float = Field(0.85, gt=0, lt=1, description="Wanted ratio between scales, adjusted to fit exactly")
    pyramid: Literal["full", "used"] = Field(
        "full",
        description="Scales trained: all, or those that harmonisation starts from or passes, and one below (ours)",
    )
    iterations: Count = Field(2000, description="Iterations a scale")
    decay_at_fraction: Fraction = Field(0.8, description="Part of the iterations after which the rate falls to a tenth")
    discriminator_steps: Count = Field(3, description="Discriminator steps an iteration")
    generator_steps: Count = Field(3, description="Generator steps an iteration")
    width: Count = Field(32, description="Channels at the coarsest scale; doubled every 4 scales")
    max_width: Count = Field(128, description="Most channels")
    gp_weight: float = Field(0.1, ge=0, description="Weight of the gradient penalty (WGAN-GP)")
    reconstruction_weight: float = Field(10.0, ge=0, description="Weight of the reconstruction's squared error")
    learning_rate: Positive = Field(5e-4, description="Adam's learning rate")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.5, 0.999), description="Adam's decay rates"
    )
    noise_factor: float = Field(0.1, ge=0, description="Noise amplitude over the reconstruction's RMSE at a scale")
    mode: Literal["fast", "reference"] = Field(
        "fast", description="How it is computed: the same mathematics fast, or step by step as the algorithm reads"
    )
    sample_uses: Count = Field(
        8, description="Mode fast: training steps that a random image of the scales below is drawn for"
    )
    models_at_once: Count = Field(
        1,
        description="pseudo_target: models trained side by side in one network; each is what it would be alone, up to "
        "rounding, and needs its own memory (ours)",
    )
    eight_bit: bool = Field(False, description="Truncate to 8 bits at each resize, as the original code does")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.width > self.max_width:
            raise ValueError(f"width ({self.width}) must not exceed max_width ({self.max_width})")
        return self


class HarmoniseSettings(Settings):
    """Eq. 6."""

    down_steps: Literal["code", "equation"] = Field(
        "code", description="Way down to the start scale: k* + 1 scales down and 1 up (code), or k* down (Eq. 6)"
    )
    noise: bool = Field(True, description="Seeded noise of each scale's amplitude; without it the outcome is smooth")


class BlendSettings(Settings):
    """Eq. 7."""

    dilation_px: int = Field(7, ge=0, description="Radius of the disc that dilates the tumour mask, pixels")
    sigma_px: float = Field(5.0, ge=0, description="Sigma of the Gaussian on the dilated mask, pixels")


class AlterationSettings(Settings):
    """What copies are given besides another contrast (ours): the share of them that each kind is done to."""

    diameter: Fraction = Field(0.0, description="another size: the diameter times 0.8 to 1.25")
    compartments: Fraction = Field(0.0, description="two compartments: a core that is brighter or darker than its rim")
    texture: Fraction = Field(0.0, description="the texture that the target shows, where it is believed")
    edges: Fraction = Field(0.0, description="another sharpness of the edge")


Arm = Literal["none", "naive", "online", "gba"]


def _paper_rules() -> list[Rule]:
    return [
        Rule(name="large", centres=["B"], volume_mm3_above=2000, std_above=0.10, lambdas=[0.7, 1.2, 1.5]),
        Rule(name="small", volume_mm3_below=300, lambdas=[0.6, 0.8, 1.2]),
    ]


class AugmentationSettings(Settings):
    """Generative Blending Augmentation and the arms it is compared with."""

    arm: Arm = Field(
        "gba",
        description="Copies of source cases: none, rescaled (naive, Eq. 5), or rescaled, harmonised and blended (gba, "
        "Eq. 5 to 7); online: no copies, rescaled whenever a case is drawn in training",
    )
    rules: list[Rule] = Field(default_factory=_paper_rules, description="Which cases, factors and start scales")
    draws: Literal["factors", "images"] = Field(
        "factors",
        description="How often training draws what: factors, a case and each of its factors alike, whatever the arm "
        "makes of a factor (one copy, one for each start scale, or none); images: every image alike (paper: 210 "
        "unaltered beside 288 copies)",
    )
    together: bool = Field(
        False,
        description="A drawn copy alters the structures of all adaptive rules at once (ours), as many as the rule with "
        "most has; false: each of one structure",
    )
    singan: SinGANSettings = SinGANSettings()
    harmonise: HarmoniseSettings = HarmoniseSettings()
    blend: BlendSettings = BlendSettings()
    alterations: AlterationSettings = AlterationSettings()

    @property
    def makes_copies(self) -> bool:
        """Whether the arm writes images, or only says what training is to do."""
        return self.arm in ("naive", "gba")

    @property
    def drawn_share(self) -> float:
        """Share of the copies of a case that every rule selects that are drawn anew for every round."""
        each = [rule.adaptive for rule in self.rules]
        drawn = max(each, default=0) if self.together else sum(each)
        return drawn / max(1, drawn + sum(len(rule.lambdas) for rule in self.rules))

    @property
    def adapts(self) -> bool:
        """Whether copies follow the target as each round labels it."""
        return self.arm != "none" and any(rule.adaptive for rule in self.rules)

    @model_validator(mode="after")
    def _unique_rules(self) -> Self:
        names = [rule.name for rule in self.rules]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"rules of the same name: {', '.join(repeated)}; names must be unique")
        if self.arm != "none" and not self.rules:
            raise ValueError(f"arm {self.arm} without rules; add a rule, or set arm to none")
        if self.arm == "online" and self.together:
            raise ValueError("arm online rescales one structure at a time; augmentation.together is to be false there")
        if self.together and len({tuple(rule.k_star) for rule in self.rules if rule.adaptive}) > 1:
            raise ValueError("adaptive rules of different k_star; allowed with together: the same of all")
        if self.arm == "online" and (sized := [rule.name for rule in self.rules if rule.adaptive_size is True]):
            raise ValueError(
                f"arm online makes no copies that could take a size (adaptive_size of rule(s) {', '.join(sized)}); "
                "allowed there: false, or if_needed, which takes none"
            )
        if self.arm == "online" and (asked := [name for name, share in self.alterations if share]):
            raise ValueError(f"arm online makes no copies that could be altered (alterations.{', '.join(asked)})")
        return self


def structures(rules: Sequence[Rule]) -> list[str]:
    """Names of the structures that the rules look at, each once, in the rules' order."""
    return list(dict.fromkeys(rule.structure for rule in rules))
