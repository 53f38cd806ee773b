"""One command a stage, in the order of the pipeline; `dvc repro` calls them."""

from __future__ import annotations

from pathlib import Path

import click

from gbaseg.cli.options import FOLDER, OUT_FILE, structures


@click.command()
def phantom() -> None:
    """Write the built-in data set (data/raw/phantom/generated)."""
    from gbaseg.stages.phantom import run

    run()


@click.command()
def standardise() -> None:
    """Check every case; one grid, crop and intensity range for all."""
    from gbaseg.stages.standardise import run

    run()


@click.command()
def train_translation() -> None:
    """Train the CycleGAN from source to target modality."""
    from gbaseg.stages.train_translation import run

    run()


@click.command()
def translate() -> None:
    """Make and deconvolve the pseudo-target images; check them."""
    from gbaseg.stages.translate import run

    run()


@click.command()
def survey() -> None:
    """Train the fold that labels the target for the first time."""
    from gbaseg.stages.survey import run

    run()


@click.command()
def train_singan() -> None:
    """Train the SinGAN on a single slice."""
    from gbaseg.stages.train_singan import run

    run()


@click.command()
def augment() -> None:
    """Make the copies with rescaled, blended tumours."""
    from gbaseg.stages.augment import run

    run()


@click.command()
@click.argument("round_id", metavar="ROUND")
@click.option("--last", type=bool, help="Whether it is the last round; default: as self_training.rounds says.")
def train_segmentation(round_id: str, last: bool | None) -> None:
    """Train the folds of a round."""
    from gbaseg.stages.train_segmentation import run

    run(round_id, last)


@click.command()
@click.argument("round_id", metavar="ROUND")
def pseudo_label(round_id: str) -> None:
    """Segment the target with the ensemble of a round, or of the survey."""
    from gbaseg.stages.pseudo_label import run

    run(round_id)


@click.command()
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


@click.command()
@click.argument("round_id", metavar="ROUND")
def proxies(round_id: str) -> None:
    """Say what is known of a round without labels of the target."""
    from gbaseg.stages.proxies import run

    run(round_id)


@click.command()
def train_oracle() -> None:
    """Train on the target's own labels, where asked: what an arm could reach."""
    from gbaseg.stages.train_oracle import run

    run()


@click.command()
def evaluate_oracle() -> None:
    """Score the oracle."""
    from gbaseg.stages.evaluate_oracle import run

    run()


@click.command()
def baseline() -> None:
    """Score a threshold alone: what every arm has to beat."""
    from gbaseg.stages.baseline import run

    run()


@click.command()
def summarise() -> None:
    """Summary, table of rounds and pictures."""
    from gbaseg.stages.summarise import run

    run()


COMMANDS = [
    phantom,
    standardise,
    train_translation,
    translate,
    survey,
    train_singan,
    augment,
    train_segmentation,
    pseudo_label,
    evaluate,
    proxies,
    train_oracle,
    evaluate_oracle,
    baseline,
    summarise,
]
