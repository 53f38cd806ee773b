"""How good a model is on the target, as far as that can be told without one of its labels (METHOD 3).

Two signs, each a Dice: models that differ by their seed alone find the same (arXiv 2406.03323), and a model finds the
same in an image as in one that is a little noisier, brighter and shifted (arXiv 2503.00450). Both reward models that
find nothing, or everything; so structures that no model finds are left out, and both count for as much as masks have
volumes that the source's structures have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from scipy.ndimage import shift as shifted

from gbaseg.self_training.agreement import dices
from gbaseg.self_training.confidence import in_range

_NOISE = 0.02  # SD, intensities in [0, 1]
_GAMMAS = (0.8, 1.25)
_SHIFT_PX = 2  # along y and x
_A_PAIR = 2  # of seeds: the fewest that can agree
# Of the score of the way in whose place a wider one is taken: with less it has not learnt its task.
_LEARNT = 0.5
# Wide enough for what the source happens not to have, as `self_training.confidence.volume_factor` by default.
VOLUME_FACTOR = 2.0


@dataclass(frozen=True)
class Disturbance:
    """What is done to an image of a case: the same whichever model looks at it."""

    gamma: float
    shift_yx: tuple[int, int]
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Disturbance:
        gamma = _GAMMAS[rng.integers(2)]
        y, x = (int(sign) * _SHIFT_PX for sign in rng.choice([-1, 1], 2))
        return cls(gamma, (y, x), int(rng.integers(2**31)))

    def of_image(self, image: np.ndarray) -> np.ndarray:
        """An image (Z, Y, X) in [0, 1], disturbed; what is shifted in is its edge."""
        noise = _NOISE * np.random.default_rng(self.seed).standard_normal(image.shape)
        bright = np.clip(image, 0.0, 1.0) ** self.gamma + noise
        return np.clip(shifted(bright, (0, *self.shift_yx), order=0, mode="nearest"), 0.0, 1.0).astype(np.float32)

    def undone(self, mask: np.ndarray) -> np.ndarray:
        """A mask (Z, Y, X) of the disturbed image, on the image; what was shifted out of it is empty."""
        y, x = self.shift_yx
        return shifted(mask, (0, -y, -x), order=0, mode="constant", cval=0)


@dataclass(frozen=True)
class Rated:
    """What is known of a way to train, from a model a seed.

    Args:
        agreement: mean Dice between the seeds' masks; `None` where no case shows a structure to any of them.
        consistency: mean Dice of a model's masks of an image and of the disturbed one; likewise.
        plausible: share of masks whose volume the source's structures have, or nearly; empty ones do not.
        by_case: agreement times consistency of each case, 0 where it has neither: what ways are told apart by.
        without_one: the score without each of the seeds in turn; none of two seeds, of which one has no agreement.
    """

    agreement: float | None
    consistency: float | None
    plausible: float
    by_case: tuple[float, ...]
    without_one: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        """Larger is better; 0 of a way that finds nothing, or everything, everywhere."""
        return (self.agreement or 0.0) * (self.consistency or 0.0) * self.plausible


class Found(NamedTuple):
    """What models, one a seed, find in a case.

    Args:
        plain: their masks (Z, Y, X).
        disturbed: those of the disturbed image, with the shift undone.
        voxel_mm3: of the case.
    """

    plain: Sequence[np.ndarray]
    disturbed: Sequence[np.ndarray]
    voxel_mm3: float


class Seen(NamedTuple):
    """What `Found` of a case says, without its masks.

    Args:
        between: of each two seeds, in the order of `combinations`, the Dice of each structure between their masks.
        within: of each seed the Dice of each structure between its masks of the two images.
        plausible: of each seed's mask and structure whether the source has such volumes.
    """

    between: list[list[float]]
    within: list[list[float]]
    plausible: list[list[bool]]

    def without(self, seed: int) -> Seen:
        """As if that seed had not been trained."""
        pairs = combinations(range(len(self.within)), 2)
        return Seen(
            [dices for pair, dices in zip(pairs, self.between, strict=True) if seed not in pair],
            [dices for number, dices in enumerate(self.within) if number != seed],
            [is_so for number, is_so in enumerate(self.plausible) if number != seed],
        )


def look_at(case: Found, ranges_mm3: Mapping[int, tuple[float, float]]) -> Seen:
    """Measure what models find in a case.

    Args:
        ranges_mm3: label value -> smallest and largest volume of that structure in the source.
    """
    between = [dices([pair], ranges_mm3)[0] for pair in combinations(case.plain, 2)]
    within = [dices([pair], ranges_mm3)[0] for pair in zip(case.plain, case.disturbed, strict=True)]
    plausible = []
    for mask in case.plain:
        volumes = {value: float(np.count_nonzero(mask == value)) * case.voxel_mm3 for value in ranges_mm3}
        plausible.append(
            [
                volumes[value] > 0 and in_range(volumes[value], limits, VOLUME_FACTOR)
                for value, limits in ranges_mm3.items()
            ]
        )
    return Seen(between, within, plausible)


def rate(cases: Sequence[Seen]) -> Rated:
    """Rate a way to train by what its models find in the target."""
    seeds = len(cases[0].within) if cases else 0
    left_out = range(seeds if seeds > _A_PAIR else 0)
    without_one = [_rate([case.without(seed) for case in cases]).score for seed in left_out]
    return replace(_rate(cases), without_one=tuple(without_one))


def _rate(cases: Sequence[Seen]) -> Rated:
    return Rated(
        _mean(chain.from_iterable(dices for case in cases for dices in case.between)),
        _mean(chain.from_iterable(dices for case in cases for dices in case.within)),
        _mean(chain.from_iterable(is_so for case in cases for is_so in case.plausible)) or 0.0,
        tuple(
            (_mean(chain.from_iterable(case.between)) or 0.0) * (_mean(chain.from_iterable(case.within)) or 0.0)
            for case in cases
        ),
    )


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return float(np.mean(values)) if values else None


def best(rated: Mapping[str, Rated]) -> str:
    """The way of the highest score; of equals the first.

    Raises:
        ValueError: there is none.
    """
    return max(rated, key=lambda name: rated[name].score)


class Kind(NamedTuple):
    """Ways that change the images alike.

    Args:
        names: of the ways.
        wider: a way whose images have these among them, if there is one: it is taken in their place where it has learnt
            its task.
    """

    names: Sequence[str]
    wider: str = ""


def simplest(rated: Mapping[str, Rated], kinds: Iterable[Kind]) -> str:
    """A way of the first kind that is within one standard error of the best: a translation has to earn its place.

    One, of the cases alone: where what is simpler is wrong it may lose all (the phantom's tumours, for the healthy
    side), and a translation that was not needed loses little.

    The best of that kind, or the wider one that has its images among its own: a task that is harder to learn scores
    lower after a short training, whatever comes of it in the end.

    Args:
        rated: at least one.
        kinds: those that change the images the least first; together all.
    """
    top = best(rated)
    near = {
        name
        for name, one in rated.items()
        if name == top or (one.score > 0 and not behind(rated[top], one).by_more_than(1.0))
    }
    kind = next(kind for kind in kinds if near.intersection(kind.names))
    name = best({name: rated[name] for name in kind.names})
    learnt = bool(kind.wider) and rated[kind.wider].score >= _LEARNT * rated[name].score
    return kind.wider if learnt else name


class Behind(NamedTuple):
    """How far a way is behind another one: the mean over the cases, which both have seen, and its standard error."""

    mean: float
    error: float

    def by_more_than(self, errors: float, of_trainings: float = 0.0) -> bool:
        """Whether it is so by more than so many standard errors, with a variance besides that of the cases."""
        return self.mean > errors * float(np.hypot(self.error, np.sqrt(of_trainings)))


def behind(ahead: Rated, other: Rated) -> Behind:
    """How far the other one is behind; of one case nothing is known, and the error is infinite."""
    differences = np.array(ahead.by_case) * ahead.plausible - np.array(other.by_case) * other.plausible
    count = len(differences)
    error = differences.std(ddof=1) / np.sqrt(count) if count > 1 else np.inf
    return Behind(float(differences.mean()), float(error))


def told_apart(rated: Mapping[str, Rated], name: str) -> list[str]:
    """Ways that one is better than by more than chance: two standard errors of their difference.

    Chance is that of the cases, and, of three seeds or more, that of the trainings: other seeds of the same ways change
    places where the cases alone are sure (docs/results.md, hearts). A way that none of the others is told apart from
    was chosen by next to nothing.
    """
    of_trainings = 2.0 * chance_of_trainings(rated.values())
    return [
        other
        for other, one in rated.items()
        if other != name and behind(rated[name], one).by_more_than(2.0, of_trainings)
    ]


def chance_of_trainings(rated: Iterable[Rated]) -> float:
    """Variance of a score from one set of seeds to another: the jackknife's, its mean over ways that find something.

    0 of two seeds, which say nothing of it.
    """
    found = [one.without_one for one in rated if one.score > 0 and one.without_one]
    return float(np.mean([(len(scores) - 1) * np.var(scores) for scores in found])) if found else 0.0


def is_ranked(rated: Iterable[Rated]) -> bool:
    """Whether there is anything to rank by: some way finds something."""
    return any(one.score > 0 for one in rated)
