"""The command line: one command a stage, and a few for people. Imports stand inside the commands: help is instant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from gbaseg import __version__
from gbaseg.errors import UserError

PARAMS = Path("params.yaml")
PRESETS = Path("presets")


class Group(click.Group):
    """Prints a user's mistake without a traceback; lists commands in the order of the pipeline."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"gbaseg: {error}", err=True)
            sys.exit(1)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--device", metavar="NAME", help="auto (default), cpu, cuda or cuda:N.")
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes side by side; default: one a core, one on a GPU."
)
def main(device: str | None, workers: int | None) -> None:
    """Cross-modal tumour segmentation with generative blending augmentation and self-training.

    The commands from `phantom` to `summarise` are the stages of the pipeline; `dvc repro` runs those that are due.
    """
    # Environment, not parameters: they change no result, and reach the worker processes.
    if device is not None:
        from gbaseg.runtime.device import check_name

        check_name(device)
        os.environ["GBASEG_DEVICE"] = device
    if workers is not None:
        os.environ["GBASEG_WORKERS"] = str(workers)


@main.command()
def phantom() -> None:
    """Write the built-in data set (data/raw/phantom)."""
    from gbaseg.stages.phantom import run

    run()


@main.command()
def standardise() -> None:
    """Check every case; one grid, crop and intensity range for all."""
    from gbaseg.stages.standardise import run

    run()


@main.command()
def train_translation() -> None:
    """Train the CycleGAN from source to target modality."""
    from gbaseg.stages.train_translation import run

    run()


@main.command()
def translate() -> None:
    """Make and deconvolve the pseudo-target images; check them."""
    from gbaseg.stages.translate import run

    run()


@main.command()
def survey() -> None:
    """Train the fold that labels the target for the first time."""
    from gbaseg.stages.survey import run

    run()


@main.command()
def train_singan() -> None:
    """Train the SinGAN on a single slice."""
    from gbaseg.stages.train_singan import run

    run()


@main.command()
def augment() -> None:
    """Make the copies with rescaled, blended tumours."""
    from gbaseg.stages.augment import run

    run()


@main.command()
@click.argument("round_id", metavar="ROUND")
@click.option("--last", type=bool, help="Whether it is the last round; default: as self_training.rounds says.")
def train_segmentation(round_id: str, last: bool | None) -> None:
    """Train the folds of a round."""
    from gbaseg.stages.train_segmentation import run

    run(round_id, last)


@main.command()
@click.argument("round_id", metavar="ROUND")
def pseudo_label(round_id: str) -> None:
    """Segment the target with the ensemble of a round, or of the survey."""
    from gbaseg.stages.pseudo_label import run

    run(round_id)


@main.command()
@click.argument("round_id", metavar="ROUND")
def evaluate(round_id: str) -> None:
    """Score a round; decide whether to go on."""
    from gbaseg.stages.evaluate import run

    run(round_id)


@main.command()
def baseline() -> None:
    """Score a threshold alone: what every arm has to beat."""
    from gbaseg.stages.baseline import run

    run()


@main.command()
def summarise() -> None:
    """Summary, table of rounds and pictures."""
    from gbaseg.stages.summarise import run

    run()


@main.command()
def show() -> None:
    """Print the table of rounds."""
    from gbaseg.stages.summarise import show as show_rounds

    show_rounds()


@main.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the masks.")
@click.option("--round", "round_id", help="Round whose model is used; default: the last.")
def predict(images: tuple[Path, ...], out: Path, round_id: str | None) -> None:
    """Segment scans of the target modality, on their own grids."""
    from gbaseg.stages.predict import run

    run(images, out, round_id)


@main.command()
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Write a preset into params.yaml; without NAME: list them."""
    from gbaseg.params import check
    from gbaseg.presets import apply_preset, describe, list_presets

    if name is None:
        click.echo(describe(list_presets(PRESETS)))
        return
    apply_preset(name, PRESETS, PARAMS, validate=check)
    click.echo(f"{PARAMS}: preset {name} written")


@main.command()
def doctor() -> None:
    """Check this machine and folder; say what to do."""
    from gbaseg.doctor import diagnose, report
    from gbaseg.params import load

    findings = diagnose(load)
    click.echo(report(findings))
    if any(finding.status == "fail" for finding in findings):
        sys.exit(1)


if __name__ == "__main__":
    main()
