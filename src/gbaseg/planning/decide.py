"""All choices for one data set and one place on the ladder, joined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gbaseg.cost.counted import DataSize
from gbaseg.planning import networks
from gbaseg.planning.appearance import choose_foreground, choose_range, choose_structures
from gbaseg.planning.factors import choose_factors
from gbaseg.planning.facts import Choice, DataFacts
from gbaseg.planning.geometry import MARGIN_MM, Frame, frame_of, reach
from gbaseg.planning.rungs import Rung, Spend, ladder

# Of preset crossmoda2022: what belongs to its data set, its tumours and its scans.
_OF_ITS_DATA = (
    "dataset.",
    "standardise.",
    "augmentation.rules",
    "augmentation.draws",
    "survey.lambdas",
    "survey.contrasts",
)
_FINE = "self_training.last_round_fine_grid"


@dataclass(frozen=True)
class Asked:
    """What is to be planned.

    Args:
        facts: of the data.
        structures: label values by name, the tumour first.
        root: folder of the data set, as params.yaml has it.
        layout: `dataset.layout`.
        slices: the choice made for them.
        translate: try translations, or train the CycleGAN of the paper's rung; False: images as they are.
        papers: what preset crossmoda2022 changes, by key.
        hours: that may be spent.
    """

    facts: DataFacts
    structures: Mapping[str, int]
    root: str
    layout: str
    slices: Choice
    translate: bool
    papers: Mapping[str, Any]
    hours: float

    @property
    def crossmoda(self) -> bool:
        """The paper's own data set, by its layout."""
        return self.layout == "crossmoda2022"

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The ladder for it."""
        return ladder(len(self.structures))


@dataclass(frozen=True)
class Place:
    """A place on the ladder: a rung, and how far from its least to its most work (0 to 1)."""

    rung: Rung
    share: float

    @property
    def spend(self) -> Spend:
        """The work."""
        return self.rung.least.towards(self.rung.most, self.share)

    @property
    def is_papers(self) -> bool:
        """The paper's budget, to the last epoch."""
        return self.rung.papers and self.share >= 1.0


def decide(asked: Asked, place: Place) -> tuple[dict[str, Choice], DataSize]:
    """Every choice by its key, and how large the data will be on the grid."""
    facts, rung = asked.facts, place.rung
    frame = frame_of(facts, asked.structures, rung.detail)
    choices = _of_data(asked)
    if rung.papers:
        why = f"the paper's: {asked.hours:g} hours are enough for it"
        own = _OF_ITS_DATA if not asked.crossmoda else ("dataset.",)
        choices += [
            Choice(key, value, why)
            for key, value in asked.papers.items()
            if not key.startswith(own) and (key != _FINE or asked.crossmoda)
        ]
    if rung.papers and asked.crossmoda:
        choices += _as_published(asked, place, frame)
        z = asked.papers["standardise.spacing_xyz_mm"][2]
        slices = max(1, round(frame.mean_slices * frame.spacing_mm[1] / z))
    else:
        choices += _of_ladder(asked, place, frame)
        slices = frame.mean_slices
    choices += [choose_foreground(facts), choose_range(facts, asked.structures)]
    size = DataSize(facts.source_cases, facts.target_cases, facts.held_out, slices, 0.0)
    return dict(networks.by_key(choices)), size


def _of_data(asked: Asked) -> list[Choice]:
    structures, known = choose_structures(asked.facts, asked.structures)
    if asked.crossmoda and set(known.value) <= {1, 2}:
        known = Choice(known.key, [1, 2], "the challenge's: 1 VS, 2 cochlea")
    facts = asked.facts
    counts = f"{facts.source_cases} source, {facts.target_cases} target, {facts.held_out} held-out cases"
    return [
        Choice("dataset.root", asked.root, counts),
        Choice("dataset.layout", asked.layout, "cases.csv in root" if asked.layout == "table" else "official folders"),
        structures,
        known,
    ]


def _of_ladder(asked: Asked, place: Place, frame: Frame) -> list[Choice]:
    facts, rung, spend = asked.facts, place.rung, place.spend
    centre = _centre(asked)
    if asked.translate:
        choices = networks.translation(rung, spend, frame, facts, centre)
    else:
        choices = [*networks.no_translation("--no-translation"), Choice("translation.centre", centre, "for the checks")]
    singan, k_star = networks.singan(rung, spend, frame)
    return [
        asked.slices,
        *frame.choices,
        *choices,
        *singan,
        *choose_factors(asked.structures, k_star),
        *networks.segmentation(rung, spend, frame, facts),
    ]


def _centre(asked: Asked) -> str:
    """The paper's on its own data, where both domains have it; else all: one centre alone has no reason here."""
    has_a = all("A" in centres for centres in asked.facts.centres.values())
    return "A" if asked.crossmoda and has_a else "both"


def _as_published(asked: Asked, place: Place, frame: Frame) -> list[Choice]:
    """Where the paper's preset cannot stand on this data of its own layout, or the hours end before it does."""
    facts, papers, spend = asked.facts, asked.papers, place.spend
    choices = [_crop(asked), Choice("translation.mode", "cyclegan", "--no-translation leaves it out")]
    if not asked.translate:
        choices += networks.no_translation("--no-translation")
    folds = min(papers["segmentation.folds"], facts.patients)
    if folds < papers["segmentation.folds"]:
        choices.append(Choice("segmentation.folds", folds, f"{facts.patients} source patients (paper: 5)"))
    if (centre := _centre(asked)) != "A":
        choices.append(Choice("translation.centre", centre, "no scans of A in both domains (paper: A)"))
    choices += _rules(asked)
    if place.is_papers:
        return choices
    fewer = f"{asked.hours:g} hours end before the paper's"
    steps = networks.steps_of(spend, frame, facts)
    return [
        *choices,
        Choice("segmentation.epochs", spend.epochs, f"{fewer} 500"),
        Choice("segmentation.last_round_epochs", spend.last_round_epochs, f"{fewer} 1000"),
        Choice("survey.epochs", spend.survey, f"{fewer} 500"),
        Choice("augmentation.singan.iterations", spend.singan, f"{fewer} 2000"),
        Choice("translation.cyclegan.steps_per_epoch", steps, f"{fewer} every slice once"),
        Choice(_FINE, False, f"{fewer} 0.4 mm"),
    ]


def _rules(asked: Asked) -> list[Choice]:
    """The paper's, of the tumour by whatever name; without those of a centre that is not there."""
    known, wanted = asked.facts.centres["source"], asked.papers["augmentation.rules"]
    rules = [rule for rule in wanted if rule["centres"] == "both" or set(rule["centres"]) <= set(known)]
    tumour = next(iter(asked.structures))
    reason = "the paper's (III-C)"
    if len(rules) < len(wanted):
        reason = f"the paper's, for source centres {', '.join(known)} (paper: rule large, centre B)"
    return [Choice("augmentation.rules", [{**rule, "structure": tumour} for rule in rules], reason)]


def _crop(asked: Asked) -> Choice:
    """The paper's 256 pixels, or as many as hold every labelled structure."""
    side, spacing = asked.papers.get("standardise.crop_xy_px", 256), asked.papers["standardise.spacing_xyz_mm"][0]
    needed = 2 * (reach(asked.facts, asked.structures) + MARGIN_MM)
    if needed <= side * spacing:
        held = f"{side * spacing:.0f} mm hold every labelled structure, with {MARGIN_MM:g} mm to spare"
        return Choice("standardise.crop_xy_px", side, f"the paper's: {held}; of the head not all its length")
    crop = 8 * math.ceil(needed / spacing / 8)
    return Choice(
        "standardise.crop_xy_px", crop, f"{needed:.0f} mm hold every labelled structure, the paper's {side} px not"
    )
