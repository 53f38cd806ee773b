"""What later stages would stop at after days of training, found as soon as the cases are known.

Those stages still check for themselves: params.yaml may change between any two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from gbaseg.augmentation.rules import check_start_scales
from gbaseg.augmentation.singan.pyramid import make_pyramid
from gbaseg.cases import Case, Domain, select
from gbaseg.errors import UserError
from gbaseg.params import Params


def check_ahead(settings: Params, cases: Sequence[Case]) -> None:
    """Check what fits params.yaml and may not fit the data set: centres, folds, start scales.

    Args:
        settings: all; what an arm or mode does not use is not looked at.
        cases: those that standardise goes on with.

    Raises:
        UserError: every faulty key, with what was found and what is allowed.
    """
    train = select(cases, splits=["train"])
    faults = [*_of_translation(settings, train), *_of_augmentation(settings, train), *_of_folds(settings, train)]
    if faults:
        title = f"params.yaml: {len(faults)} fault(s) with this data set"
        raise UserError("\n".join([title, *(f"  - {fault}" for fault in faults)]))


def fallbacks(settings: Params, cases: Sequence[Case]) -> Iterator[str]:
    """What params.yaml asks for and the data set cannot give, where the run goes on with something else.

    Args:
        settings, cases: as for `check_ahead`.
    """
    if settings.self_training.stop == "validation_dice":
        validation = select(cases, domain="target", splits=["validation"])
        if not any(case.label for case in validation):
            yield (
                f"self_training.stop: validation_dice; none of {len(validation)} target case(s) of split validation "
                "has a label: the agreement of the pseudo-labels stops in its place (self_training.agreement_above: "
                f"{settings.self_training.agreement_above:g})"
            )


def not_independent(cases: Sequence[Case]) -> Iterator[str]:
    """Of scans that are scored, what no figure says that is made of their scores: these do not know of patients.

    Args:
        cases: as for `check_ahead`.
    """
    scored = [case for case in select(cases, domain="target") if case.split != "train" and case.label]
    patients = {case.patient for case in scored}
    if len(patients) < len(scored):
        yield (
            f"{len(scored)} labelled held-out scans are of {len(patients)} patients: intervals and p-values (gbaseg "
            "tables, study, rank) take scans for independent, and come out too sure; one scan a patient is free of that"
        )


def _of_translation(settings: Params, train: Sequence[Case]) -> Iterator[str]:
    # Without a translation the centre still says which real scans it is checked against.
    domains = get_args(Domain) if settings.translation.translates else ("target",)
    yield from _of_centre("translation.centre", settings.translation.centre, train, domains)


def _of_augmentation(settings: Params, train: Sequence[Case]) -> Iterator[str]:
    augmentation = settings.augmentation
    if augmentation.arm == "none":
        return
    if augmentation.arm == "gba" and augmentation.singan.image == "target_slice":
        yield from _of_centre("augmentation.singan.slice_centre", augmentation.singan.slice_centre, train, ("target",))
    known = _centres(train, "source")
    for index, rule in enumerate(augmentation.rules):
        unknown = [] if rule.centres == "both" else [centre for centre in rule.centres if centre not in known]
        if unknown:
            yield (
                f"augmentation.rules[{index}].centres: found {rule.centres}; no source case of split train is of "
                f"{', '.join(unknown)}; allowed: both, or a list of {', '.join(known)}"
            )
    if augmentation.arm == "gba":
        yield from _of_start_scales(settings)


def _of_start_scales(settings: Params) -> Iterator[str]:
    """Every SinGAN is trained on a slice of the standard crop."""
    singan, side = settings.augmentation.singan, settings.standardise.crop_xy_px
    try:
        pyramid = make_pyramid((side, side), singan.min_size, singan.scale_factor)
        check_start_scales(settings.augmentation.rules, pyramid.last_scale)
    except UserError as error:
        for fault in str(error).splitlines():
            yield f"{fault} (slices of {side} x {side} pixels: standardise.crop_xy_px)"


def _of_folds(settings: Params, train: Sequence[Case]) -> Iterator[str]:
    folds, alone = settings.segmentation.folds, ["source"]
    if settings.self_training.last_round_set == "target_only":
        alone.append("target")
    for domain in alone:
        patients = len({case.patient for case in train if case.domain == domain})
        if patients < folds:
            yield (
                f"segmentation.folds: found {folds}; each fold holds out other patients, and the {domain} has "
                f"{patients}; so at most {patients}"
            )


def _of_centre(key: str, centre: str, train: Sequence[Case], domains: Sequence[Domain]) -> Iterator[str]:
    """A centre that has no cases of one of the domains to train on."""
    missing = [domain for domain in domains if not select(train, domain=domain, centre=centre)]
    if missing:
        allowed = [name for name in _centres(train, domains[0]) if all(name in _centres(train, d) for d in domains)]
        none = " and ".join(f"no {domain} case" for domain in missing)
        yield (
            f"{key}: found {centre!r}; {none} of split train is of this centre; "
            f"allowed: {', '.join([*allowed, 'both'])}"
        )


def _centres(cases: Sequence[Case], domain: Domain) -> list[str]:
    return sorted({case.centre for case in select(cases, domain=domain)})
