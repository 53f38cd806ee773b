"""What work is counted by: the kinds of work, and the size of a data set. No torch: every stage imports it."""

from __future__ import annotations

from dataclasses import dataclass

# Stages whose work `count_work` counts, without their round, and the kind of work that each does.
KINDS = {
    "standardise": "standardise",
    "train_translation": "cyclegan",
    "choose_translation": "nnunet",
    "translate": "translate",
    "survey": "nnunet",
    "train_segmentation": "nnunet",
    "pseudo_label": "predict",
    "train_singan": "singan",
    "augment": "augment",
    "adapt": "augment",
}


def kind_of(stage: str) -> str | None:
    """The kind of work of a stage, by its name in the ledger (`train_segmentation/round_0`); None: not counted."""
    return KINDS.get(stage.partition("/")[0])


@dataclass(frozen=True)
class DataSize:
    """Cases of a data set: source and target train, held-out target; slices of each; copies a source case."""

    source: int
    target: int
    held_out: int
    slices: int
    copies: float
