"""Numbers of the self-training (METHOD 6)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from gbaseg.errors import UserError
from gbaseg.settings import Count, Fraction, Positive, Settings


class SurveySettings(Settings):
    """First pseudo-labels of the target: one fold, trained without GBA. They choose SinGAN's slice."""

    epochs: Count = Field(500, description="epochs of the one fold")
    lambdas: tuple[Positive, ...] = Field(
        (), description="naive copies of every case to train on too, of each structure; empty in the paper's setting"
    )
    contrasts: Annotated[int, Field(ge=0)] = Field(
        0,
        description="contrasts of each structure against the ring around it, evenly spread over both signs; one of "
        "them all, or none, is taken whenever an unaltered case is drawn (ours; finds contrasts that flip); 0: none",
    )
    contrast_within: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="the largest of them, of either sign")

    @property
    def alters(self) -> bool:
        """Whether it is trained on structures that look otherwise than the translation leaves them."""
        return bool(self.lambdas or self.contrasts)


class Round(Settings):
    """One round of the unrolled pipeline. `prev` is the round whose model and pseudo-labels it builds on.

    `last` is said here, not derived, so that DVC sees a round that becomes the last one, and trains only that anew.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    prev: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    last: bool


class ConfidenceSettings(Settings):
    """Which pseudo-labels are left out of the next round's training set (the paper's stated future work).

    A structure of a case is left out, not the case, of which the others are trained on; it goes when all are doubtful.
    """

    action: Literal["keep", "drop"] = Field("keep", description="keep: the paper's own setting")
    fold_dice_below: Fraction = Field(0.7, description="mean pairwise Dice of the folds under which it is left out")
    largest_share_below: Fraction = Field(
        0.5,
        description="share of what was found in its largest piece (of a structure of several, in as many) under which "
        "it is left out",
    )
    volume_factor: Annotated[float, Field(ge=1.0)] = Field(
        2.0, description="a volume under the source's smallest / factor or over its largest x factor is left out"
    )
    weigh: bool = Field(
        False, description="draw pseudo-labelled cases in proportion to the folds' agreement on them (ours)"
    )
    disputed: Literal["learn", "ignore"] = Field(
        "learn",
        description="voxels that some folds give to a structure and others do not: learnt as the ensemble has them "
        "(paper), or left out of the loss (ours)",
    )


class SelfTrainingSettings(Settings):
    """Rounds of training on pseudo-labels."""

    rounds: tuple[Round, ...] = Field(
        (
            Round(id="round_0", prev="survey", last=False),
            Round(id="round_1", prev="round_0", last=False),
            Round(id="round_2", prev="round_1", last=False),
            Round(id="round_3", prev="round_2", last=True),
        ),
        description="the rounds, each naming the one before it (paper: round 0 and at most 3 more)",
    )
    stop: Literal["agreement", "validation_dice", "never"] = Field(
        "agreement",
        description="agreement: of the pseudo-labels of two rounds, no target label is read; validation_dice: the "
        "paper's rule, on labelled validation cases (agreement where there are none); never: run all rounds",
    )
    agreement_above: Fraction = Field(0.997, description="mean Dice between two rounds' pseudo-labels that stops")
    dice_change_below: Positive = Field(
        0.003, description="change of the mean validation Dice that stops (paper: 0.3 %)"
    )
    target_share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="share of the training patches to be drawn from real target images, the same in every arm; null: "
        "each is drawn as often as an unaltered image of the source (paper; 210 of 708 there, 0.3)",
    )
    last_round_set: Literal["all", "target_only"] = Field(
        "all", description="all: pseudo-target, augmented and real target; target_only: real target alone (report)"
    )
    last_round_fine_grid: bool = Field(
        False, description="train the last round at standardise.fine_spacing_xyz_mm (paper: true)"
    )
    confidence: ConfidenceSettings = ConfidenceSettings()

    @field_validator("rounds")
    @classmethod
    def _chained(cls, rounds: tuple[Round, ...]) -> tuple[Round, ...]:
        before = "survey"
        for item in rounds:
            if item.prev != before:
                raise ValueError(f"round {item.id}: prev is {item.prev!r}, allowed here: {before!r}")
            before = item.id
        if not rounds or len({item.id for item in rounds} | {"survey"}) != len(rounds) + 1:
            raise ValueError("at least one round, each with an id of its own, none called 'survey'")
        for item in rounds:
            if item.last != (item is rounds[-1]):
                raise ValueError(f"round {item.id}: last is {str(item.last).lower()}; true for the last round alone")
        return rounds

    def round(self, round_id: str) -> Round:
        """The round of that id.

        Raises:
            UserError: there is none; names those that there are.
        """
        for item in self.rounds:
            if item.id == round_id:
                return item
        allowed = ", ".join(item.id for item in self.rounds)
        raise UserError(f"{round_id}: no such round; self_training.rounds of params.yaml has {allowed}")

    @property
    def last(self) -> str:
        """Id of the last round."""
        return self.rounds[-1].id

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all that make pseudo-labels, in their order: the survey and the rounds."""
        return ("survey", *(item.id for item in self.rounds))
