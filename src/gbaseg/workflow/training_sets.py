"""What a round is trained on: the source, translated, with its copies, and the target with its pseudo-labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from gbaseg.cases import read_table
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.segmentation.dataset import TrainingItem
from gbaseg.standardise.settings import ForegroundKind
from gbaseg.workflow import layout
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.copies import read_choices, read_draws
from gbaseg.workflow.pseudo_labels import training_cases, undisputed_of, weights_by_agreement
from gbaseg.workflow.reviewed import Review, labelled_targets, on_finer_grid, say


def randomised_in(settings: Params) -> ForegroundKind | None:
    """`TrainingItem.randomised` of the source's images."""
    return settings.standardise.foreground if chosen(settings.translation).mode == "randomise" else None


def source_items(settings: Params, copies: Sequence[Path]) -> list[TrainingItem]:
    """Pseudo-target cases and their copies in some folders (arm `online`: what may be done to them), with labels.

    Where contrasts are randomised, those of copies that were made to look like the target stay.
    """
    choices, draws, randomised = read_choices(copies), read_draws(copies), randomised_in(settings)
    items = [
        TrainingItem(
            case.case,
            case.patient,
            folder / case.image,
            folder / case.label,
            weight=draws.get(case.case, Fraction(1)),
            rescaled=choices.get(case.case, ()),
            randomised=None if folder.parent == layout.ADAPTED else randomised,
        )
        for folder in (layout.TRANSLATED, *copies)
        for case in read_table(folder)
    ]
    if randomised is not None:
        _say_what_is_lost(items, {case.case for case in read_table(layout.TRANSLATED)})
    return items


def _say_what_is_lost(items: Sequence[TrainingItem], cases: Collection[str]) -> None:
    """Contrasts that something has made, and that random ones take the place of.

    Args:
        items: of which `cases` are no copies.
    """
    by_factors = sum(item.randomised is not None and item.name not in cases for item in items)
    online = sum(bool(item.rescaled) for item in items)
    if by_factors or online:
        lost = f"{by_factors} copies by factors" if by_factors else f"what arm online does to {online} cases"
        log(
            f"WARNING: contrasts are randomised after {lost} (translation.mode randomise): the factors are lost; "
            "copies of adaptive rules (augmentation.rules[].adaptive) of naive and gba keep their contrasts"
        )


def target_items(settings: Params, review: Review, fine: bool, work: Path) -> list[TrainingItem]:
    """Real target training cases with the pseudo-labels of the round before, as a person has left them; doubtful ones
    left out where asked.

    What is left out as doubtful is a structure of a case: the others are trained on, and what is not one of them may be
    background or the structure. A case of which all are doubtful is left out. Their weights are 1 on average.

    Args:
        review: what was decided about the round before's.
        fine: of the finer grid.
        work: masks that a person drew are brought to the finer grid here.
    """
    labels, labelled = layout.pseudo_labelled(review.round_id), labelled_targets(review)
    confidence = settings.self_training.confidence
    trained_on: dict[str, set[str]] = {}
    items, left_out = [], dict.fromkeys(settings.labels, 0)
    for one in labelled:
        doubtful = one.doubtful if confidence.action == "drop" else frozenset()
        for name in doubtful:
            left_out[name] += 1
        if len(doubtful) == len(settings.labels):
            continue
        name = one.case.case
        unknown = tuple(value for structure, value in settings.labels.items() if structure in doubtful)
        image, mask = layout.STANDARD / one.case.image, one.mask
        if fine:
            image, mask = layout.STANDARD / f"fine/{name}.nii.gz", labels / "fine" / f"{name}.nii.gz"
            if one.corrected:
                mask = on_finer_grid(one, settings, work / "reviewed" / f"{name}.nii.gz")
        # What a person drew the folds have no say in.
        ignoring = confidence.disputed == "ignore" and not one.corrected
        if ignoring:
            mask = undisputed_of(name, labels, fine)
        trained_on[name] = set() if one.corrected else settings.labels.keys() - doubtful
        items.append(TrainingItem(name, one.case.patient, image, mask, unknown=unknown, with_ignored=ignoring))
    if confidence.weigh:
        weights = weights_by_agreement(labels, trained_on)
        items = [replace(item, weight=weights[item.name]) for item in items]
    of_each = ", ".join(f"{name} of {count}" for name, count in left_out.items())
    log(f"{len(items)} of {len(training_cases())} pseudo-labelled target cases; left out as doubtful: {of_each}")
    say(review, settings)
    return items


def target_weight(source: Sequence[TrainingItem], target: int, share: float | None) -> Fraction:
    """How many times as often a real target image is drawn as an unaltered one of the source, so that it has a share.

    Args:
        source: what is trained on besides.
        target: number of real target images.
        share: wanted; `None`: as often.
    """
    if share is None or not source or not target:
        return Fraction(1)
    wanted = share / (1.0 - share) * float(sum(item.weight for item in source)) / target
    return _simple(wanted) if wanted >= 1 else 1 / _simple(1 / wanted)


def _simple(ratio: float) -> Fraction:
    """To some hundredths of a ratio of 1 or more, so that nnU-Net's list of draws, in whole numbers, stays short."""
    return Fraction(ratio).limit_denominator(max(1, round(10 / ratio)))
