"""augment: copies of the pseudo-target cases that the rules select, rescaled by their factors (Eq. 5 to 7)."""

from __future__ import annotations

from gbaseg import params
from gbaseg.augmentation.rules import plan_copies
from gbaseg.augmentation.settings import structures
from gbaseg.runtime.progress import log
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import measured_source
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.copies import about_copies, make_copies


def run() -> None:
    """Run the stage."""
    settings = params.load()
    rules, arm = settings.augmentation.rules, settings.augmentation.arm
    metrics = layout.METRICS / "appearance.json"
    inputs = [layout.STANDARD, layout.TRANSLATED, layout.pseudo_labelled(layout.SURVEY), layout.SINGAN_MODEL]
    with stage("augment", {}, inputs, [layout.AUGMENTED, metrics]) as scratch:
        folder = scratch.output(layout.AUGMENTED)
        measurements = [] if arm == "none" else measured_source(settings, structures(rules))
        copies = plan_copies(rules, measurements, arm)
        if settings.augmentation.adapts:
            log("contrasts that follow the target are drawn anew for every round: adapt")
        elif arm != "none" and not copies:
            log("warning: no rule of augmentation.rules selects a case: this arm equals arm none")
        make_copies(copies, folder, settings, layout.SURVEY)
        write_json(scratch.output(metrics), about_copies(settings, copies, [folder], layout.SURVEY, layout.SURVEY))
