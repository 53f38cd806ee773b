"""METHODS.md of an export: a paragraph for a paper, from parameters, metrics and versions of this very run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gbaseg.commands.in_words import named, splits_of, with_interval
from gbaseg.commands.methods_of_copies import of_copies
from gbaseg.commands.run_facts import RunFacts
from gbaseg.inference.contents import Contents
from gbaseg.segmentation.planning import CONFIGURATION
from gbaseg.translation.settings import UNTRANSLATED
from gbaseg.volume import numbers_as_text
from gbaseg.workflow import layout

REFERENCES = {
    "salle": "Sallé et al., Cross-modal tumor segmentation using generative blending augmentation and self-training, "
    "arXiv:2304.01705",
    "cyclegan": "Zhu et al., Unpaired image-to-image translation using cycle-consistent adversarial networks, ICCV "
    "2017, arXiv:1703.10593",
    "singan": "Shaham et al., SinGAN: learning a generative model from a single natural image, ICCV 2019, "
    "arXiv:1905.01164",
    "nnunet": "Isensee et al., nnU-Net: a self-configuring method for deep learning-based biomedical image "
    "segmentation, Nature Methods 18, 203-211 (2021)",
}
_TRANSLATED = {
    "histogram": "Intensities of {source} were given the distribution of {target} (histogram matching).",
    "randomise": "{Source} were not translated: their contrasts were drawn at random in training.",
    "none": "{Source} were trained on as they were, without a translation.",
}
_PLANES = {
    "acquired": "the acquired slices (axial ones where voxels are near isotropic)",
    "axial": "axial slices",
    "sagittal": "sagittal slices",
    "coronal": "coronal slices",
}


def methods(facts: RunFacts, about: Contents) -> str:
    """Markdown; every number of it stands in the run's files."""
    cited: list[str] = ["salle"]
    parts = [
        " ".join(_data(facts)),
        " ".join(_standardised(facts)),
        " ".join(_adaptation(facts, cited)),
        " ".join(_network(facts, cited)),
        " ".join(_prediction(facts)),
        " ".join(_scores(facts)),
        _software(facts, about),
    ]
    listed = "\n".join(f"- {REFERENCES[name]}" for name in dict.fromkeys(cited))
    return (
        "# Methods\n\n"
        "Written by `gbaseg export` from this run's parameters, metrics and dvc.lock, to be edited: what it does not "
        "know (scanners, patients, consent, ethics) is not in it.\n\n"
        + "\n\n".join(part for part in parts if part)
        + f"\n\n## References\n\n{listed}\n"
    )


def _data(facts: RunFacts) -> Iterator[str]:
    source, target = (named(facts, domain) for domain in ("source", "target"))
    if facts.synthetic:
        yield "The data were the synthetic phantom that comes with gbaseg, not scans of patients."
    if facts.data:
        counts = {key: facts.data.get(key) for key in ("source_cases", "target_train_cases")}
        labelled, unlabelled = (_counted(counts[key]) for key in ("source_cases", "target_train_cases"))
        what = f"Segmentation of {', '.join(facts.settings.labels)}"
        yield f"{what} was learnt from labelled {source} ({labelled}) and unlabelled {target} ({unlabelled})."
        if skipped := facts.data.get("skipped_cases"):
            yield f"{skipped} case(s) with faults were left out."
    if facts.settings.self_training.stop == "validation_dice":
        yield "Labels of the target's validation cases, where there were some, decided when self-training ended."
    else:
        yield "No label of the target was read in training."


def _standardised(facts: RunFacts) -> Iterator[str]:
    grid = facts.settings.standardise
    crop = f"{grid.crop_xy_px} x {grid.crop_xy_px}"
    slices = f" and to {grid.crop_z_px} slices" if grid.crop_z_px else ""
    yield (
        f"Scans were turned to {_PLANES[grid.slices]}, resampled to {_by(grid.spacing_xyz_mm)} mm (cubic B-spline"
        f"{', smoothed along axes that became coarser' if grid.smooth_shrinking else ''}) and cropped to {crop} voxels"
        f"{slices} around the centre of the voxels above the {grid.brain_percentile:g}th intensity percentile."
    )
    low, high = grid.intensity_percentiles
    of = {
        "head": "the head (Otsu's thresholds, slices filled)",
        "nonzero": "the voxels other than 0",
        "all": "all voxels",
    }
    yield f"Intensities were scaled so that percentiles {low:g} and {high:g} of {of[grid.foreground]} became 0 and 1."
    if facts.about_model.get("fine_grid") and grid.fine_spacing_xyz_mm is not None:
        yield f"The networks of this model saw {_by(grid.fine_spacing_xyz_mm)} mm voxels."


def _adaptation(facts: RunFacts, cited: list[str]) -> Iterator[str]:
    settings, used = facts.settings, facts.translation
    source, target = (named(facts, domain) for domain in ("source", "target"))
    if used is not None:
        if settings.translation.mode == "auto":
            yield from _choice(facts, used.mode)
        if used.mode == "cyclegan":
            cited.append("cyclegan")
            yield from _cyclegan(facts, source, target)
        else:
            yield _TRANSLATED[used.mode].format(source=source, Source=_capital(source), target=target)
    if facts.round_id == layout.SURVEY:
        copies = numbers_as_text(settings.survey.lambdas)
        if copies:
            yield f"Copies with the structure's intensities times {copies} were added."
        elif settings.survey.contrasts:
            yield "Structures were given contrasts of both signs at random whenever a case was drawn in training."
        else:
            yield "No copies with other contrasts were added."
    else:
        yield from of_copies(settings.augmentation, cited)


def _choice(facts: RunFacts, mode: str) -> Iterator[str]:
    auto = facts.settings.translation.auto
    tried, trainings = ", ".join(auto.candidates), f"short trainings of {auto.seeds} seeds"
    if mode in UNTRANSLATED:
        yield f"By {trainings} of each of {tried}, without a label of the target, no translation earned its place."
    else:
        yield f"The translation ({mode}) was chosen without a label of the target among {tried}, by {trainings}."
    if not facts.choice.get("trusted", True):
        yield "It was not told apart from all other candidates."


def _cyclegan(facts: RunFacts, source: str, target: str) -> Iterator[str]:
    translation = facts.settings.translation
    network, psf = translation.cyclegan, translation.van_cittert
    steps = f"{network.steps_per_epoch} steps" if network.steps_per_epoch else "one pass over the slices"
    where = "all centres" if translation.centre == "both" else f"centre {translation.centre}"
    yield (
        f"{_capital(source)} were translated slice by slice to the appearance of {target} by a CycleGAN (Zhu et al.) "
        f"trained on {where} for {network.epochs + network.decay_epochs} epochs of {steps} "
        f"({network.batch_size} slice(s) of each domain a step)."
    )
    if psf.iterations:
        yield (
            f"Translated images were deconvolved ({psf.iterations} iterations of Van Cittert's method, Gaussian of "
            f"{_by(psf.psf_mm_xyz)} mm {'FWHM' if psf.psf_is == 'fwhm' else 'sigma'})."
        )


def _network(facts: RunFacts, cited: list[str]) -> Iterator[str]:
    cited.append("nnunet")
    settings, plans = facts.settings.segmentation, facts.plans["configurations"][CONFIGURATION]
    rounds = facts.settings.self_training
    patch = " x ".join(str(edge) for edge in plans["patch_size"])
    yield (
        f"nnU-Net v2 (Isensee et al.; 3d_fullres, patches of {patch} voxels (z, y, x), batches of "
        f"{plans['batch_size']})"
    )
    if facts.round_id == layout.SURVEY:
        yield f"was trained in one fold for {facts.settings.survey.epochs} epochs."
        return
    trained_in = facts.about_model.get("trained_in", facts.round_id)
    last = trained_in == rounds.last
    epochs = settings.last_round_epochs if last else settings.epochs
    members = f" of {settings.members} networks each" if settings.members > 1 else ""
    yield (
        f"was trained in {settings.folds} folds{members} split by patient, {epochs} epochs of "
        f"{settings.iterations_per_epoch} iterations ({settings.optimiser}, highest "
        f"learning rate {settings.learning_rate:g})."
    )
    names = [item.id for item in rounds.rounds]
    if trained_in not in names:
        return
    if trained_in == names[0]:
        yield "This model is of the first round, without pseudo-labels of the target."
        return
    only = last and rounds.last_round_set == "target_only"
    besides = ", and on nothing else in the last round" if only else " as well"
    start = "weights from the round before" if settings.start == "warm" else "trained from scratch"
    yield (
        f"It was then trained on the target's own scans with pseudo-labels of the round before{besides}; this model is "
        f"of {trained_in}, number {names.index(trained_in) + 1} of {len(names)} ({start})."
    )
    if rounds.confidence.action == "drop":
        yield "Pseudo-labels that were doubtful by the folds' agreement, pieces or volume were left out."


def _prediction(facts: RunFacts) -> Iterator[str]:
    settings = facts.settings.segmentation.prediction
    averaged = "and over mirrored images " if settings.mirroring else ""
    yield (
        f"In prediction the folds' softmax was averaged {averaged}(sliding window, step {settings.tile_step:g} of a "
        f"patch) and thresholded at {settings.threshold:g};"
    )
    pieces = ", ".join(f"{count} of {name}" for name, count in facts.settings.pieces.items())
    kept = f"the largest connected components were kept ({pieces})"
    where = ", ".join(f"{settings.end_of(name):g} ({name})" for name in facts.settings.labels)
    # Where too little is known, or patients differ, they end at the threshold.
    found = facts.proxies.get(facts.round_id, {}).get("ends") or {}
    if matched := [name for name, end in found.items() if end != settings.threshold]:
        yield (
            f"{kept}, which end at a softmax of {where}: with it the mean volume of {', '.join(matched)} in the "
            "target's training scans is that of the source's labels."
        )
    elif settings.ends:
        yield f"{kept}, which end at a softmax of {where}."
    else:
        yield kept + (
            f" and grown down to {settings.grow_threshold:g}." if settings.grow_threshold is not None else "."
        )
    yield "Probabilities were carried to each scan's own grid (linear), where the mask was decided."


def _scores(facts: RunFacts) -> Iterator[str]:
    of_round = facts.scores.get(facts.round_id, {})
    if not of_round:
        yield "This run has no scores of this model on labelled scans of the target."
    for structure, score in of_round.items():
        metrics = score.metrics
        splits = ", ".join(splits_of(score))
        yield (
            f"On {metrics['cases']} labelled scans of the target that were not trained on (splits: {splits}) "
            f"{structure} had a Dice of {with_interval(metrics['dice'], score.dice, 3)} and an average symmetric "
            f"surface distance of {with_interval(metrics['assd_mm'], score.assd_mm, 2)} mm (mean ± SD over the scans"
            f"{'; in brackets 95 % bootstrap intervals over the scans, of one training' if score.dice else ''})."
        )
        if empty := metrics.get("empty_predictions"):
            assumed = facts.settings.evaluation.empty_assd_mm
            yield f"{empty} of the masks were empty (distance counted as {assumed:g} mm)."


def _software(facts: RunFacts, about: Contents) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in about.made_with.items())
    device = f" By this machine's log the model was trained on: {facts.device}." if facts.device else ""
    return (
        f"Random numbers follow from seed {facts.settings.seed}.{device} Installed when the model was exported: "
        f"{versions}; whether it was trained with these is not noted."
    )


def _counted(by_centre: Mapping[str, int] | None) -> str:
    if not by_centre:
        return "number not noted"
    total = sum(by_centre.values())
    if len(by_centre) == 1:
        return f"n = {total}"
    return f"n = {total}; " + ", ".join(f"centre {name}: {count}" for name, count in by_centre.items())


def _by(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("scans") else text
