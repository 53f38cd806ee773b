"""One command a stage, in the order of the pipeline; `dvc repro` calls them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from gbaseg.cli.options import FOLDER, OUT_FILE, structures


class _Stage(click.Command):
    """Says at its end which stage of how many it was, and what it took, its start-up included."""

    def invoke(self, ctx: click.Context) -> Any:
        started = time.monotonic()
        super().invoke(ctx)
        round_id = ctx.params.get("round_id", "")
        if round_id is None:
            return  # `evaluate` of any folders is no stage
        from contextlib import suppress

        from gbaseg.errors import UserError
        from gbaseg.runtime.durations import took
        from gbaseg.runtime.progress import log
        from gbaseg.workflow.itinerary import itinerary, place_of

        name = "/".join(filter(None, [str(self.name).replace("-", "_"), round_id]))
        # In a pipeline of somebody's own a stage has no place that is known here; what it did is done.
        with suppress(UserError):
            name = place_of(name, itinerary())
        log(f"{name}: {took(time.monotonic() - started)}")


@click.command(cls=_Stage)
def phantom() -> None:
    """Write the built-in data set (data/raw/phantom/generated)."""
    from gbaseg.stages.phantom import run

    run()


@click.command(cls=_Stage)
def standardise() -> None:
    """Check every case; one grid, crop and intensity range for all."""
    from gbaseg.stages.standardise import run

    run()


@click.command(cls=_Stage)
def train_translation() -> None:
    """Train the CycleGAN from source to target modality."""
    from gbaseg.stages.train_translation import run

    run()


@click.command(cls=_Stage)
def choose_translation() -> None:
    """Choose among translations by what short trainings find, where asked."""
    from gbaseg.stages.choose_translation import run

    run()


@click.command(cls=_Stage)
def translate() -> None:
    """Make and deconvolve the pseudo-target images; check them."""
    from gbaseg.stages.translate import run

    run()


@click.command(cls=_Stage)
def survey() -> None:
    """Train the fold that labels the target for the first time."""
    from gbaseg.stages.survey import run

    run()


@click.command(cls=_Stage)
def train_singan() -> None:
    """Train the SinGAN on a single slice."""
    from gbaseg.stages.train_singan import run

    run()


@click.command(cls=_Stage)
def augment() -> None:
    """Make the copies with rescaled, blended tumours."""
    from gbaseg.stages.augment import run

    run()


@click.command(cls=_Stage)
@click.argument("round_id", metavar="ROUND")
@click.option("--last", type=bool, help="Whether it is the last round; default: as self_training.rounds says.")
def adapt(round_id: str, last: bool | None) -> None:
    """Make the copies of a round whose contrasts follow the target."""
    from gbaseg.stages.adapt import run

    run(round_id, last)


@click.command(cls=_Stage)
@click.argument("round_id", metavar="ROUND")
@click.option("--last", type=bool, help="Whether it is the last round; default: as self_training.rounds says.")
def train_segmentation(round_id: str, last: bool | None) -> None:
    """Train the folds of a round."""
    from gbaseg.stages.train_segmentation import run

    run(round_id, last)


@click.command(cls=_Stage)
@click.argument("round_id", metavar="ROUND")
def pseudo_label(round_id: str) -> None:
    """Segment the target with the ensemble of a round, or of the survey."""
    from gbaseg.stages.pseudo_label import run

    run(round_id)


@click.command(cls=_Stage)
@click.argument("round_id", metavar="[ROUND]", required=False)
@click.option("--predictions", type=FOLDER, help="Score any folder of masks ...")
@click.option("--references", type=FOLDER, help="... against another; files pair by case name.")
@click.option("--out", type=OUT_FILE, help="CSV of the scores, one line a case.")
@click.option("--structures", default="tumour=1", show_default=True, callback=structures, help="As VS=1,Cochlea=2.")
@click.option("--resample", is_flag=True, help="Bring predictions to their references' grids first.")
def evaluate(
    round_id: str | None,
    predictions: Path | None,
    references: Path | None,
    out: Path | None,
    structures: dict[str, int],
    resample: bool,
) -> None:
    """Score a round and decide whether to go on; or score any folder of masks."""
    if round_id is not None and not (predictions or references or out):
        from gbaseg.stages.evaluate import run

        run(round_id)
    elif round_id is None and predictions and references and out:
        from gbaseg.commands.score_folders import run as score_folders

        score_folders(predictions, references, out, structures, resample)
    else:
        raise click.UsageError("say either ROUND, or all of --predictions, --references and --out")


@click.command(cls=_Stage)
def train_oracle() -> None:
    """Train on the target's own labels, where asked: what an arm could reach."""
    from gbaseg.stages.train_oracle import run

    run()


@click.command(cls=_Stage)
def evaluate_oracle() -> None:
    """Score the oracle."""
    from gbaseg.stages.evaluate_oracle import run

    run()


@click.command(cls=_Stage)
def baseline() -> None:
    """Score a threshold alone: what every arm has to beat."""
    from gbaseg.stages.baseline import run

    run()


@click.command(cls=_Stage)
def summarise() -> None:
    """Summary, table of rounds and pictures."""
    from gbaseg.stages.summarise import run

    run()


COMMANDS = [
    phantom,
    standardise,
    train_translation,
    choose_translation,
    translate,
    survey,
    train_singan,
    augment,
    adapt,
    train_segmentation,
    pseudo_label,
    evaluate,
    train_oracle,
    evaluate_oracle,
    baseline,
    summarise,
]
