"""survey: one fold trained without GBA. Its pseudo-labels of the target choose SinGAN's slice."""

from __future__ import annotations

from gbaseg import params
from gbaseg.cases import read_table
from gbaseg.runtime.fork_server import import_for_workers
from gbaseg.segmentation.training import IMPORTED
from gbaseg.workflow import layout
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.survey_set import survey_items
from gbaseg.workflow.training import about_model, prepare_training, train
from gbaseg.workflow.training_sets import randomised_in
from gbaseg.workflow.verdict import Verdict


def run() -> None:
    """Run the stage."""
    settings = params.load()
    model, curves = layout.model_of(layout.SURVEY), layout.CURVES / layout.SURVEY
    go_on = layout.decision(layout.SURVEY)
    asked = {
        "seed": settings.seed,
        "survey": settings.survey.model_dump(),
        "randomised": randomised_in(settings),
        # What a round alone has is no matter: the survey is one fold from scratch, with epochs of its own.
        "segmentation": settings.segmentation.model_dump(
            exclude={"prediction", "epochs", "last_round_epochs", "start"}
        ),
        "spacing": settings.standardise.spacing_xyz_mm,
        "structures": settings.labels,
    }
    inputs = [layout.STANDARD, layout.TRANSLATED]
    with stage("survey", asked, inputs, [model, curves, go_on], resumable=True) as scratch:
        import_for_workers(*IMPORTED)
        items = survey_items(
            settings,
            read_table(layout.TRANSLATED),
            layout.TRANSLATED,
            scratch.work / "copies",
            randomised_in(settings),
        )
        training = prepare_training(
            settings,
            items,
            scratch.work,
            folds=range(1),
            epochs=settings.survey.epochs,
            name=layout.SURVEY,
            fine=False,
            previous=None,
        )
        train(training, scratch.output(model), scratch.output(curves))
        about = about_model(settings, layout.SURVEY, fine=False, work=scratch.work)
        write_json(scratch.output(model) / layout.ROUND, about)
        Verdict().write(scratch.output(go_on))
