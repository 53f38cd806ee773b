"""A round's pseudo-labels as a person left them: what the next round is trained on.

All that reads pseudo-labels in order to learn from them asks here, so that a decision holds for copies and SinGAN, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg import volume
from gbaseg.cases import Case
from gbaseg.errors import UserError, some_of
from gbaseg.params import Params
from gbaseg.review.corrected import mask_path
from gbaseg.review.decisions import Decision, hash_of, read_decisions
from gbaseg.runtime.progress import log
from gbaseg.workflow import layout
from gbaseg.workflow.pseudo_labels import doubtful_structures, training_cases, volumes_mm3


@dataclass(frozen=True)
class Labelled:
    """A training case of the target as the next round sees it.

    Args:
        case: which.
        mask: on the standard grid: its pseudo-label, or what replaces it.
        doubtful: structures that something speaks against and nobody has accepted.
        corrected: somebody has drawn the mask.
    """

    case: Case
    mask: Path
    doubtful: frozenset[str] = frozenset()
    corrected: bool = False

    def volume_mm3(self, value: int) -> float:
        """Volume of a structure, by its label value."""
        mask = volume.read(self.mask)
        return float(np.count_nonzero(mask.array == value)) * mask.grid.voxel_mm3


@dataclass(frozen=True)
class Review:
    """What was decided about a round's pseudo-labels, as far as it still holds.

    Args:
        round_id: of the round.
        decisions: case -> decision, of training cases whose pseudo-label (corrected: whose scan) is the one that was
            looked at.
        outdated: cases of which it is another one by now, and names of none: as if nothing had been decided.
    """

    round_id: str
    decisions: dict[str, Decision] = field(default_factory=dict)
    outdated: tuple[str, ...] = ()

    @cached_property
    def matters(self) -> dict[str, Any]:
        """What of it makes another training set; empty where nothing does: nobody has decided anything, or agrees.

        For the fingerprint of a stage: an accepted pseudo-label that nothing spoke against is none of it.
        """
        doubtful = doubtful_structures(layout.pseudo_labelled(self.round_id)) if self.decisions else {}
        found = {
            "rejected": self._cases("rejected"),
            "corrected": {case: self.decisions[case].mask for case in self._cases("corrected")},
            "accepted_though_doubtful": [case for case in self._cases("accepted") if case in doubtful],
        }
        return {key: value for key, value in found.items() if value}

    @property
    def counts(self) -> dict[str, int]:
        """For metrics: how many of each; empty where there is nothing to say."""
        found = {key: len(value) for key, value in self.matters.items()}
        return {**found, **({"outdated": len(self.outdated)} if self.outdated else {})}

    def _cases(self, kind: str) -> list[str]:
        return sorted(case for case, one in self.decisions.items() if one.kind == kind)


def read_review(round_id: str) -> Review:
    """What was decided about a round's pseudo-labels.

    Raises:
        UserError: the file has faults; a corrected mask is missing or not the one that was taken over. All at once.
    """
    folder = layout.pseudo_labelled(round_id) / "standard"
    cases = {case.case: case for case in training_cases()}
    holding, outdated, faults = {}, [], []
    for name, one in read_decisions(layout.REVIEW).of(round_id).items():
        about = layout.STANDARD / cases[name].image if one.mask and name in cases else folder / f"{name}.nii.gz"
        if name not in cases or not about.is_file() or hash_of(about) != one.of:
            if one.changes:  # else it would change nothing, and DVC does not look at it
                outdated.append(name)
            continue
        if one.mask:
            drawn = mask_path(layout.REVIEWED / round_id, name, one.mask)
            if not drawn.is_file() or hash_of(drawn) != one.mask:
                faults.append(f"{drawn}: {'another mask than was taken over' if drawn.is_file() else 'not there'}")
                continue
        holding[name] = one
    if faults:
        advice = (
            f"`git checkout {layout.REVIEWED}` brings back what was committed; "
            f"`gbaseg review --round {round_id}`, and decide about the case anew"
        )
        raise UserError("\n".join([f"{layout.REVIEW}: corrected masks of {round_id}", *faults, advice]))
    return Review(round_id, holding, tuple(sorted(outdated)))


def labelled_targets(review: Review) -> list[Labelled]:
    """The target's training cases with what the next round learns of each; without those that were rejected."""
    folder = layout.pseudo_labelled(review.round_id)
    doubtful = doubtful_structures(folder)
    found = []
    for case in training_cases():
        decision = review.decisions.get(case.case)
        if decision is None:
            mask = folder / "standard" / f"{case.case}.nii.gz"
            found.append(Labelled(case, mask, frozenset(doubtful.get(case.case, ()))))
        elif decision.kind == "corrected":
            mask = mask_path(layout.REVIEWED / review.round_id, case.case, decision.mask)
            found.append(Labelled(case, mask, corrected=True))
        elif decision.kind == "accepted":
            found.append(Labelled(case, folder / "standard" / f"{case.case}.nii.gz"))
    return found


def tumour_volumes_mm3(settings: Params, labelled: Sequence[Labelled], round_id: str) -> dict[str, float]:
    """Volume of the tumour in what the next round learns of each case."""
    known = volumes_mm3(layout.pseudo_labelled(round_id), settings.dataset.tumour)
    value = settings.labels[settings.dataset.tumour]
    return {
        one.case.case: one.volume_mm3(value) if one.corrected else known[one.case.case] for one in labelled
    }  # fmt: skip


def of_no_round(settings: Params, project: Path = Path()) -> str:
    """What to say of decisions about rounds that params.yaml does not have; empty where there are none.

    Raises:
        UserError: the file has faults.
    """
    rounds = settings.self_training.ids
    unheard = read_decisions(project / layout.REVIEW).of_none(rounds)
    if not unheard:
        return ""
    return f"{layout.REVIEW}: decisions about {some_of(unheard)} are not used: params.yaml has {', '.join(rounds)}"


def say(review: Review, settings: Params) -> None:
    """What a stage does with the decisions, in its log."""
    if unused := of_no_round(settings):
        log(f"WARNING: {unused}")
    if review.outdated:
        log(
            f"WARNING: {review.round_id}: {len(review.outdated)} decision(s) of {layout.REVIEW} are not used: their "
            "masks or scans have changed since, or no training case has the name: "
            f"{', '.join(review.outdated)}; gbaseg review shows again what is there"
        )
    if review.matters:
        words = ", ".join(f"{len(value)} {key.replace('_', ' ')}" for key, value in review.matters.items())
        log(f"pseudo-labels of {review.round_id} as they were reviewed: {words}")


def on_finer_grid(one: Labelled, settings: Params, path: Path) -> Path:
    """A corrected mask on the grid of the case's finer image, written to `path`.

    Structure by structure, linear, half and more: as a pseudo-label comes there (`pseudo_label`).
    """
    mask = volume.read(one.mask)
    grid = volume.read_grid(layout.STANDARD / "fine" / f"{one.case.case}.nii.gz")
    values = np.array(list(settings.labels.values()), np.uint8)
    shares = np.stack(
        [
            volume.resample(mask.with_array((mask.array == value).astype(np.float32)), grid, "probability").array
            for value in values
        ]
    )
    array = np.where(shares.max(axis=0) >= 0.5, values[shares.argmax(axis=0)], 0).astype(np.uint8)
    volume.write(volume.Volume(array, grid), path)
    return path
