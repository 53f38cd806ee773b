"""train_singan: the SinGAN that blends rescaled tumours in, trained on a single slice (METHOD 5)."""

from __future__ import annotations

from typing import Any

from gbaseg import params
from gbaseg.cases import read_table
from gbaseg.params import Params
from gbaseg.runtime.threads import mixed_computing
from gbaseg.workflow import layout
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.foresight import check_ahead
from gbaseg.workflow.singans import ABOUT, chosen_slices, numbers, train_all


def run() -> None:
    """Run the stage: one model for all cases, or one for each case that is augmented; none for the other arms."""
    settings = params.load()
    asked = what_matters(settings)
    inputs = [layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(layout.SURVEY)]
    curves = layout.CURVES / "singan"
    with stage("train_singan", asked, inputs, [layout.SINGAN_MODEL, curves], resumable=True) as scratch:
        check_ahead(settings, read_table(layout.STANDARD))  # rules may have changed since the translation
        folder = scratch.output(layout.SINGAN_MODEL)
        folder.mkdir()
        scratch.output(curves).mkdir()
        if settings.augmentation.arm != "gba":
            write_json(folder / ABOUT, {"arm": settings.augmentation.arm, "models": {}})
            return
        slices = chosen_slices(settings)
        if train_all(slices, settings, scratch.work, folder, scratch.output(curves)) < len(slices):
            scratch.found_done.append("trained before")
        write_json(
            folder / ABOUT,
            {
                "arm": "gba",
                "models": {name: chosen.about for name, chosen in slices.items()},
                **mixed_computing(scratch.work),
            },
        )


def what_matters(settings: Params) -> dict[str, Any]:
    """What a training that was broken off is found again by.

    Not by `models_at_once`: whoever ran out of memory lowers it and goes on.
    """
    augmentation = settings.augmentation.model_dump(exclude={"harmonise", "blend", "singan"})
    return {"seed": settings.seed, "augmentation": augmentation, "singan": numbers(settings)}
