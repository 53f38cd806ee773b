"""adapt: copies whose contrasts follow the target as the round before labels it, anew for every round (ours).

The SinGAN that blends them in is that of `train_singan` for as long as its slice shows a tumour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gbaseg import params
from gbaseg.augmentation.adaptive_rules import left_by_contrasts, plan_adaptive, said_of_sizes, shown_of
from gbaseg.augmentation.rules import Copy, Measurement, plan_copies
from gbaseg.augmentation.settings import structures
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.runtime.scratch import Scratch
from gbaseg.runtime.seeds import derive
from gbaseg.runtime.threads import mixed_computing
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import believed_target, measured_source
from gbaseg.workflow.context import need, read_json, stage, write_json
from gbaseg.workflow.copies import about_copies, make_copies
from gbaseg.workflow.reviewed import read_review
from gbaseg.workflow.singans import ABOUT, SHARED, numbers, still_shows_a_tumour, target_slice, train_all
from gbaseg.workflow.verdict import read_verdict


def run(round_id: str, last: bool | None = None) -> None:
    """Run the stage for one round of `self_training.rounds`; `last` as it is there unless said otherwise."""
    settings = params.load()
    item = settings.self_training.round(round_id)
    last = item.last if last is None else last
    copies, metrics = layout.adapted(round_id), layout.coverage(round_id)
    singan, curves = layout.singan_of_round(round_id), layout.CURVES / "singan_of_round" / round_id
    inputs = [
        layout.STANDARD, layout.TRANSLATED, layout.AUGMENTED, layout.SINGAN_MODEL,
        layout.pseudo_labelled(item.prev), layout.decision(item.prev),
    ]  # fmt: skip
    need(inputs)
    review = read_review(item.prev)
    asked = {
        "seed": settings.seed,
        "last": last,
        "last_round_set": settings.self_training.last_round_set,
        "augmentation": settings.augmentation.model_dump(exclude={"singan"}),
        "singan": numbers(settings),
        "structures": settings.labels,
        **({"review": review.matters} if review.matters else {}),
    }
    outputs = [copies, singan, curves, metrics]
    with stage(f"adapt/{round_id}", asked, inputs, outputs, resumable=True) as scratch:
        folder = scratch.output(copies)
        for output in (singan, curves):
            scratch.output(output).mkdir(parents=True)
        # A last round may be of another kind, and is then trained whatever the rounds before it say.
        ended = read_verdict(item.prev).ends(differs=last or bool(review.matters))
        of_target_alone = last and settings.self_training.last_round_set == "target_only"
        if not settings.augmentation.adapts or ended or of_target_alone:
            write_json(scratch.output(singan) / ABOUT, {"models": {}})
            make_copies([], folder, settings, item.prev)
            write_json(scratch.output(metrics), {})
            scratch.found_done.append("none asked for")
            return
        measurements = measured_source(settings, structures(settings.augmentation.rules))
        planned = planned_copies(settings, measurements, item.prev)
        blending = refreshed_singan(settings, item.prev, scratch, scratch.output(singan), scratch.output(curves))
        make_copies(planned, folder, settings, item.prev, scratch.output(singan) if blending else layout.SINGAN_MODEL)
        by_hand = plan_copies(settings.augmentation.rules, measurements, settings.augmentation.arm)
        folders = [layout.AUGMENTED, folder]
        about = about_copies(settings, planned, folders, item.prev, "target", besides=by_hand)
        write_json(scratch.output(metrics), about)


def planned_copies(settings: Params, measurements: Sequence[Measurement], previous: str) -> list[Copy]:
    """What the adaptive rules ask for, by the target's structures that a round (or the survey) labels and believes."""
    augmentation, seed = settings.augmentation, derive(settings.seed, "adapt", previous)
    rules = [rule for rule in augmentation.rules if rule.adaptive]
    target = believed_target(settings, structures(rules), previous)
    for rule in rules:
        for line in shown_of(rule, measurements, target):
            log(line)
    left = left_by_contrasts(augmentation, measurements, target, seed)
    for line in said_of_sizes(left):
        log(line)
    copies = plan_adaptive(augmentation, measurements, target, seed, left)
    if not copies:
        log("warning: no adaptive rule of augmentation.rules selects a case")
    return copies


def refreshed_singan(settings: Params, previous: str, scratch: Scratch, folder: Path, curves: Path) -> bool:
    """Train another SinGAN where the one of `train_singan` was trained on what is no tumour any more.

    Writes what was trained; False: the one of `train_singan` is as good.
    """
    chosen = {}
    augmentation = settings.augmentation
    if augmentation.arm == "gba" and augmentation.singan.image == "target_slice" and previous != layout.SURVEY:
        about = read_json(layout.SINGAN_MODEL / ABOUT, "models")["models"][SHARED]
        if not still_shows_a_tumour(settings, about, previous):
            chosen[SHARED] = target_slice(settings, previous)
    if chosen:
        trained = train_all(chosen, settings, scratch.work, folder, curves)
        # Either way the stage's time says nothing of its copies.
        scratch.found_done.append("with another SinGAN" if trained else "with another SinGAN, trained before")
    models = {name: one.about for name, one in chosen.items()}
    write_json(folder / ABOUT, {"models": models, **(mixed_computing(scratch.work) if models else {})})
    return bool(chosen)
