"""train_translation: CycleGAN from source to target modality, on slices (METHOD 3), or what stands in its place."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import get_args

import numpy as np

from gbaseg import params, volume
from gbaseg.cases import Case, Domain, read_table, select
from gbaseg.errors import UserError
from gbaseg.params import Params
from gbaseg.runtime.device import choose_device
from gbaseg.runtime.engine import Task
from gbaseg.runtime.engine import run as run_tasks
from gbaseg.runtime.leftovers import discard
from gbaseg.runtime.seeds import derive
from gbaseg.runtime.threads import mixed_computing
from gbaseg.standardise.intensity import foreground
from gbaseg.translation.histogram import mean_quantiles
from gbaseg.workflow import layout
from gbaseg.workflow.choice import Translation, candidates
from gbaseg.workflow.context import need, stage, write_json
from gbaseg.workflow.foresight import check_ahead
from gbaseg.workflow.models import MODE, QUANTILES, WEIGHTS

# In the folder of a candidate's work: what came of it.
_FINISHED = "finished"


def run() -> None:
    """Run the stage; in mode auto every candidate, each in a folder of its name."""
    settings = params.load()
    translation = settings.translation
    need([layout.STANDARD])
    # Again: standardise does not run anew when these parameters change.
    check_ahead(settings, read_table(layout.STANDARD))
    curves = layout.CURVES / "translation"
    asked = {
        "seed": settings.seed,
        "cyclegan": translation.cyclegan.model_dump(),
        "run": translation.run,
        "mode": translation.mode,
        "centre": translation.centre,
    }
    if translation.mode == "auto":
        asked["candidates"] = [one.name for one in candidates(translation)]
    outputs = [layout.TRANSLATION_MODEL, curves]
    with stage("train_translation", asked, [layout.STANDARD], outputs, resumable=True) as scratch:
        cyclegans = []
        for one in candidates(translation):
            folders = [scratch.output(layout.TRANSLATION_MODEL), scratch.output(curves), scratch.work]
            model, of_curves, work = (folder / one.name for folder in folders)
            for folder in (model, of_curves, work):
                folder.mkdir(parents=True, exist_ok=True)
            if one.mode == "histogram":
                quantiles = {domain: quantiles_of_domain(settings, domain).tolist() for domain in get_args(Domain)}
                write_json(model / QUANTILES, quantiles)
            if one.mode == "cyclegan":
                cyclegans.append((one, model, of_curves, work))
            else:
                write_json(model / MODE, {"mode": one.mode})
        run_tasks(
            [
                Task(one.name or "CycleGAN", train, {"settings": settings, "one": one, "work": work})
                for one, _, _, work in cyclegans
            ],
            exclusive=True,
            lasting=True,
        )
        for _, model, of_curves, work in cyclegans:
            shutil.copytree(work / _FINISHED / "model", model, dirs_exist_ok=True)
            shutil.copytree(work / _FINISHED / "curves", of_curves, dirs_exist_ok=True)


def train(settings: Params, one: Translation, work: Path) -> None:
    """Train a CycleGAN, going on from what an earlier call has left in `work`; may run in a worker.

    Its model and curves are put there, too, in `finished/`.
    """
    from gbaseg.runtime.curves import curves as log_curves
    from gbaseg.translation.training import train_cyclegan
    from gbaseg.translation.weights import save_generators

    translation = settings.translation
    model, curves = work / _FINISHED / "model", work / _FINISHED / "curves"
    for folder in (model, curves):
        discard(folder)
        folder.mkdir(parents=True)
    source, target = (slices_of(domain, translation.centre, work / f"{domain}.slices") for domain in get_args(Domain))
    with log_curves(work / "live", curves) as live:
        trained = train_cyclegan(
            source,
            target,
            translation.cyclegan,
            seed=derive(settings.seed, "translation", one.run),
            device=choose_device(),
            scratch=work,
            on_epoch=live.log,
            name=one.name or "CycleGAN",
        )
    save_generators(trained, model / WEIGHTS)
    write_json(model / MODE, {"mode": one.mode, **mixed_computing(work)})


def quantiles_of_domain(settings: Params, domain: Domain) -> np.ndarray:
    """Mean quantiles of a domain's training cases of the translation's centre, inside their foreground."""
    cases = cases_of_centre(domain, settings.translation.centre)
    scans = (volume.read(layout.STANDARD / case.image, np.float32).array for case in cases)
    return mean_quantiles((scan, foreground(scan, settings.standardise.foreground)) for scan in scans)


def cases_of_centre(domain: Domain, centre: str, standard: Path = layout.STANDARD) -> list[Case]:
    """A domain's training cases of `translation.centre`.

    Raises:
        UserError: the centre has none.
    """
    cases = select(read_table(standard), domain=domain, splits=["train"], centre=centre)
    if not cases:
        raise UserError(f"translation.centre: {centre}; no {domain} case of the split train is of this centre")
    return cases


def slices_of(domain: Domain, centre: str, file: Path, standard: Path = layout.STANDARD) -> np.ndarray:
    """Slices (N, Y, X) float32 of a domain's training cases, written to `file` and mapped from there.

    A hundred scans on the paper's grid are 3 GiB: what is read again stays in the system's cache as far as it fits.

    Raises:
        UserError: the centre has none.
    """
    cases = cases_of_centre(domain, centre, standard)
    with file.open("wb") as stream:
        for case in cases:
            image = volume.read(standard / case.image, np.float32).array
            image.tofile(stream)
    return np.memmap(file, np.float32, "r").reshape(-1, *image.shape[1:])
