"""The numbers of the evaluation: which cases are scored, and what a failed one counts (METHOD 7)."""

from typing import Literal

from pydantic import Field

from gbaseg.settings import Fraction, Positive, Settings

EMPTY_ASSD_MM = 350.0
LOW_DICE = (0.4, 0.5)


class EvaluationSettings(Settings):
    """Section `evaluation` of params.yaml."""

    splits: tuple[Literal["train", "validation", "test"], ...] = Field(
        ("validation", "test"),
        min_length=1,
        description="splits of the target domain that are scored, where they have labels",
    )
    oracle: bool = Field(
        False,
        description="train the same network on the target's own labels too, where its training cases have some: "
        "what an arm could reach at best",
    )
    empty_assd_mm: Positive = Field(
        EMPTY_ASSD_MM, description="mm; ASSD of an empty prediction where there is a tumour (CrossMoDA's code)"
    )
    low_dice: tuple[Fraction, ...] = Field(
        LOW_DICE,
        description="Dice, 0 to 1; the cases below each are counted (0.4: the paper's failure rule; METHOD 7)",
    )

    @property
    def shown_low_dice(self) -> float:
        """The threshold whose count stands in the table of rounds, which has room for one."""
        return (self.low_dice or LOW_DICE)[0]
