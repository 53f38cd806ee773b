"""The ladder from minutes on two cores to the paper's days on a GPU: what each step of it can afford.

Each rung is a network, a grid and a range of work, from `least` to `most`; a rung begins with the work at which the one
below it ends, so that more hours never give less of anything. `effort` finds the place on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gbaseg.planning.geometry import Detail

# Iterations of a class, background included, from which on a network surely learns. The demonstration's 840 do for one
# structure, and 540 did for gliomas, which are large; 540 with `lgg`'s network and rate left the heart's right
# ventricle, one structure of three, at a Dice of 0.21 on the source's own folds. 960 as planned here had LV, MYO and RV
# at 0.86, 0.62 and 0.61 on 12 held-out target scans, RV under 0.4 on two of them (one fold, no translation).
_PER_CLASS = 400
_ITERATIONS = 60


@dataclass(frozen=True)
class Spend:
    """Work of one run; all of it grows with the hours.

    Args:
        epochs, last_round_epochs, iterations_per_epoch: of nnU-Net.
        survey: its epochs.
        cyclegan_epochs: at the full rate, and as many of decay; of so many `cyclegan_steps`.
        singan: iterations a scale.
    """

    epochs: int
    last_round_epochs: int
    iterations_per_epoch: int
    survey: int
    cyclegan_epochs: int
    cyclegan_steps: int
    singan: int

    def towards(self, other: Spend, share: float) -> Spend:
        """Between two, by equal ratios; share 0 and 1 are the two themselves."""
        between = {}
        for field in fields(self):
            low, high = getattr(self, field.name), getattr(other, field.name)
            between[field.name] = high if share >= 1.0 else max(low, math.floor(low * (high / low) ** share + 1e-9))
        return Spend(**between)

    def at_least(self, other: Spend) -> Spend:
        """The larger of either in everything."""
        return Spend(**{one.name: max(getattr(self, one.name), getattr(other, one.name)) for one in fields(self)})


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    Args:
        name: for people.
        learns: False: too little for a network to learn.
        detail: of the grid.
        folds, rounds: of the segmentation, of the self-training.
        features: of nnU-Net's resolutions; None: nnU-Net's planner decides on the whole network.
        convs: of each of them.
        generator: width and residual blocks of the CycleGAN's generator; `discriminator`: width and layers.
        singan: width and most width; `singan_factor`: between scales.
        least, most: the work.
        papers: the rest is as the paper has it.
    """

    name: str
    learns: bool
    detail: Detail
    folds: int
    rounds: int
    features: tuple[int, ...] | None
    convs: int
    generator: tuple[int, int]
    discriminator: tuple[int, int]
    singan: tuple[int, int]
    singan_factor: float
    least: Spend
    most: Spend
    papers: bool = False


def least_iterations(structures: int) -> int:
    """Iterations of nnU-Net with which so many structures are learnt from nothing."""
    return _PER_CLASS * (1 + structures)


def ladder(structures: int) -> tuple[Rung, ...]:
    """The rungs for so many structures, the cheapest first."""
    enough = math.ceil(least_iterations(structures) / _ITERATIONS)
    # Of the demonstration, but for the epochs: its CycleGAN and SinGAN do not know of structures.
    learns = Spend(enough, enough, _ITERATIONS, math.ceil(0.7 * enough), 26, 50, 40)
    small_network: dict[str, Any] = {
        "detail": Detail(96, 32, 4.0),
        "folds": 2,
        # Copies follow the target anew in each: gliomas 0.55, 0.61, 0.62 (two seeds), where the survey has 0.41.
        "rounds": 3,
        "features": (8, 16, 32, 64),
        "convs": 1,
        "generator": (16, 3),
        "discriminator": (16, 2),
        "singan": (16, 64),
        "singan_factor": 0.8,
    }
    more = Spend(4 * enough, 4 * enough, _ITERATIONS, 2 * enough, 60, 50, 100)
    much = Spend(8 * enough, 8 * enough, _ITERATIONS, 4 * enough, 80, 60, 150)
    lots = Spend(12 * enough, 12 * enough, 100, 6 * enough, 100, 100, 200)
    great = Spend(100, 100, 250, 80, 100, 150, 600).at_least(lots)
    huge = Spend(200, 200, 250, 100, 100, 200, 1000).at_least(great)
    full = Spend(500, 1000, 250, 500, 100, 20000, 2000).at_least(huge)
    wider_network: Mapping[str, Any] = {
        **small_network,
        "detail": Detail(112, 40, 4.5),
        "features": (12, 24, 48, 96),
        "generator": (24, 3),
        "discriminator": (24, 2),
    }
    middle_network: Mapping[str, Any] = {
        **wider_network,
        "detail": Detail(128, 48, 5.0),
        "folds": 3,
        "features": (16, 32, 64, 128),
        "generator": (32, 4),
        "discriminator": (32, 2),
        "singan": (32, 128),
    }
    large_network: Mapping[str, Any] = {
        **middle_network,
        "detail": Detail(192, 96, 6.0),
        "folds": 5,
        "features": (16, 32, 64, 128, 160),
        "convs": 2,
        "generator": (32, 6),
        "discriminator": (64, 3),
        "singan_factor": 0.85,
    }
    huge_network: Mapping[str, Any] = {
        **large_network,
        "detail": Detail(224, 128, 7.0),
        "features": (32, 64, 128, 256, 320),
        "generator": (48, 9),
    }
    papers_network: Mapping[str, Any] = {
        **huge_network,
        "detail": Detail(256, 1000, 8.0),
        "rounds": 4,
        "features": None,
        "generator": (64, 9),
    }
    return (
        Rung("too small to learn", False, least=Spend(1, 1, 10, 1, 1, 5, 2), most=learns, **small_network),
        Rung("small", True, least=learns, most=more, **small_network),
        Rung("wider", True, least=more, most=much, **wider_network),
        Rung("middle", True, least=much, most=lots, **middle_network),
        Rung("large", True, least=lots, most=great, **large_network),
        Rung("huge", True, least=great, most=huge, **huge_network),
        Rung("the paper's", True, least=huge, most=full, papers=True, **papers_network),
    )
