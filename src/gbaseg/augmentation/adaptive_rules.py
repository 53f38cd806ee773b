"""Copies that follow the target: what each adaptive rule asks for, by what the target shows of its structure (ours)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gbaseg.augmentation.adaptive import FEWEST, UNKNOWN_CONTRAST, Wanted, chance_distance, draw, energy_distance, known
from gbaseg.augmentation.appearance import Appearance
from gbaseg.augmentation.rules import Copy, Measurement, fires, plan_copies, select_cases, starts_of
from gbaseg.augmentation.settings import AugmentationSettings, Rule
from gbaseg.runtime.seeds import derive

# Of the source's distance to the target, what contrasts may leave before sizes are drawn, too (`if_needed`): less than
# half, since clipping and blending move a contrast that was drawn.
_COVERED = 0.4


def plan_adaptive(
    augmentation: AugmentationSettings,
    measurements: Sequence[Measurement],
    target: Sequence[Measurement],
    seed: int,
    left: Mapping[str, float],
) -> list[Copy]:
    """The copies whose contrasts are drawn from what the target shows, ordered as those of `plan_copies`.

    Args:
        augmentation: the rules, and how many copies of each case they ask for; the arm.
        measurements: of the pseudo-target.
        target: structures as the target shows them, where they are believed.
        seed: of the draws.
        left: see `left_by_contrasts`, of the same.

    Raises:
        UserError: a rule names an unknown centre.
    """
    needed = [name for name, share in left.items() if share > _COVERED]
    return _planned(augmentation, measurements, target, seed, [*needed, *_sized(augmentation)])


def left_by_contrasts(
    augmentation: AugmentationSettings, measurements: Sequence[Measurement], target: Sequence[Measurement], seed: int
) -> dict[str, float]:
    """Share of the source's distance to the target (`energy_distance`) that copies leave which keep their sizes.

    Of all copies together: those that alter another structure show this one as it was, and those of rules that take
    sizes anyway have them.

    Args:
        augmentation, measurements, target, seed: see `plan_adaptive`.

    Returns:
        Rule -> share, of rules that take sizes if needed, none in an arm without copies; 0 where what they leave is no
        more than cases of one kind are apart by chance; nan where the target shows too few to draw from, or the
        distance is not defined.
    """
    asking = [rule for rule in augmentation.rules if rule.adaptive and rule.adaptive_size == "if_needed"]
    if not asking or not augmentation.makes_copies:
        return {}
    by_hand = plan_copies(augmentation.rules, measurements, augmentation.arm)
    copies = [*by_hand, *_planned(augmentation, measurements, target, seed, _sized(augmentation))]
    return {rule.name: _left(rule.structure, copies, measurements, target) for rule in asking}


def _sized(augmentation: AugmentationSettings) -> list[str]:
    """Names of the rules whose copies take sizes in any case."""
    return [rule.name for rule in augmentation.rules if rule.adaptive_size is True]


def _left(
    structure: str, copies: Sequence[Copy], measurements: Sequence[Measurement], target: Sequence[Measurement]
) -> float:
    shown = [one.appearance for one in target if one.structure == structure]
    if len(known(shown)) < FEWEST:
        return float("nan")
    measured = [one for one in measurements if one.structure == structure and one.appearance.volume_mm3 > 0]
    of = {one.case: one.appearance for one in measured}
    before = list(of.values())
    # As training draws factors: the start scales of a change share its draw, so that gba and naive take sizes alike.
    once = {(copy.case, copy.rule, copy.number, copy.change): copy for copy in copies if copy.case in of}
    added = [_in_copy(of[copy.case], copy, structure) for copy in once.values()]
    distance, left = energy_distance(before, shown), energy_distance([*before, *added], shown)
    if not np.isfinite(distance) or distance <= 0:
        return float("nan")
    return left / distance if left > chance_distance(len(known(before)), shown) else 0.0


def _in_copy(seen: Appearance, copy: Copy, structure: str) -> Appearance:
    """How a structure looks in a copy, were nothing clipped."""
    part = next((part for part in copy.parts if part.structure == structure), None)
    if part is None:
        return seen
    mean = part.factor * seen.mean + part.offset
    return Appearance(
        volume_mm3=part.diameter**3 * seen.volume_mm3,
        mean=mean,
        std=abs(part.factor) * seen.std,
        contrast=seen.contrast + mean - seen.mean,
    )


def _planned(
    augmentation: AugmentationSettings,
    measurements: Sequence[Measurement],
    target: Sequence[Measurement],
    seed: int,
    sized: Collection[str],
) -> list[Copy]:
    """The copies; those of some rules with drawn sizes, too."""
    if augmentation.arm == "none":
        return []
    copies = [
        Copy(case, rule.name, rule.structure, one.change.factor, k_star, one.change.offset, number, one.diameter)
        for rule in augmentation.rules
        if rule.adaptive
        for case, wanted in sorted(_drawn(rule, measurements, target, seed, rule.name in sized).items())
        for number, one in enumerate(wanted, start=1)
        for k_star in starts_of(rule, augmentation.arm)
    ]
    return _together(copies) if augmentation.together else copies


def _together(copies: Sequence[Copy]) -> list[Copy]:
    """Drawn copies of a case with the same number and start scale as one image, which shows all their changes.

    A copy that alters one structure of several shows the others as the translation left them: of each, most images are
    then as they were, however many copies there are.
    """
    groups: dict[tuple[str, int, int | None, int], list[Copy]] = {}
    before: Counter[tuple[str, int, int | None, str]] = Counter()
    for copy in copies:
        # Of rules that select the same structure of a case, each has an image of its own: one image shows one change.
        same = (copy.case, copy.number, copy.k_star, copy.structure)
        groups.setdefault((copy.case, copy.number, copy.k_star, before[same]), []).append(copy)
        before[same] += 1
    return [replace(first, besides=tuple(others)) for first, *others in groups.values()]


def _drawn(
    rule: Rule, measurements: Sequence[Measurement], target: Sequence[Measurement], seed: int, sizes: bool
) -> dict[str, list[Wanted]]:
    """Case -> what an adaptive rule does to it; without cases that have no contrast."""
    of = {one.case: one for one in measurements if one.structure == rule.structure}
    selected = [case for case in select_cases(rule, measurements) if known([of[case].appearance])]
    found: dict[str, list[Wanted]] = {}
    for centre in sorted({of[case].centre for case in selected}):
        cases = [case for case in selected if of[case].centre == centre]
        wanted = draw(
            [of[case].appearance for case in cases],
            looks_of(target, rule.structure, centre),
            rule.adaptive,
            np.random.default_rng(derive(seed, "adaptive", rule.name, centre)),
            sizes,
        )
        found |= zip(cases, wanted, strict=True)
    return found


def looks_of(target: Sequence[Measurement], structure: str, centre: str) -> list[Appearance]:
    """How the target shows a structure: at a centre, or anywhere where too few of its cases are of that centre."""
    everywhere = [one for one in target if one.structure == structure and known([one.appearance])]
    here = [one for one in everywhere if one.centre == centre]
    return [one.appearance for one in (here if len(here) >= FEWEST else everywhere)]


def shown_of(rule: Rule, measurements: Sequence[Measurement], target: Sequence[Measurement]) -> list[str]:
    """What an adaptive rule goes by, a line a centre; a warning where that is next to nothing."""
    lines = []
    selected = [one for one in measurements if fires(rule, one)]
    for centre in sorted({one.centre for one in selected}):
        contrasts = np.array([look.contrast for look in looks_of(target, rule.structure, centre)])
        of = f"rule {rule.name}: {rule.structure} at centre {centre}"
        if len(contrasts) < FEWEST:
            lines.append(
                f"WARNING: {of}: {len(contrasts)} believable pseudo-label(s) in the target; contrasts are spread "
                f"evenly up to {UNKNOWN_CONTRAST:g} of either sign"
            )
        else:
            low, middle, high = np.percentile(contrasts, (10, 50, 90))
            lines.append(
                f"{of}: contrasts {low:+.2f} to {high:+.2f} (median {middle:+.2f}) in {len(contrasts)} target cases"
            )
    if without := [one.case for one in selected if not known([one.appearance])]:
        lines.append(
            f"WARNING: rule {rule.name}: no copies of {len(without)} of {len(selected)} cases, in which nothing is "
            f"around {rule.structure} to have a contrast with "
            f"({', '.join(without[:3])}{', ...' if len(without) > 3 else ''})"
        )
    return lines


def said_of_sizes(left: Mapping[str, float]) -> list[str]:
    """What was found of the rules that take sizes if needed (`left_by_contrasts`), a line each."""
    return [
        f"rule {name}: with contrasts alone the copies leave "
        f"{f'{share:.2f}' if share else 'no more than chance'} of the distance to the target: "
        f"they {'take its sizes, too' if share > _COVERED else 'keep their sizes'}"
        for name, share in left.items()
        if np.isfinite(share)
    ]
