"""Commands about this folder: its parameters, its machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gbaseg.cli.options import FOLDER, Number, given, pattern, pattern_or_name, structures_or_none, two_names

PARAMS = Path("params.yaml")


@click.command()
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Write a preset into params.yaml; without NAME: list them.

    A preset is the defaults with its changes. Values set by hand go: they are named, and params.yaml.bak has them.
    """
    from gbaseg.params import check
    from gbaseg.preset_writing import apply_preset
    from gbaseg.presets import describe, list_presets, preset_folder

    folder = preset_folder()
    if name is None:
        click.echo(describe(list_presets(folder)))
        return
    overwritten = apply_preset(name, folder, PARAMS, validate=check)
    click.echo(f"{PARAMS}: preset {name} written")
    if overwritten is not None:
        click.echo(overwritten)


@click.command()
@click.argument("data", required=False, type=FOLDER)
@click.option("--source", type=FOLDER, help="Labelled scans of one modality; or nnU-Net's folder (imagesTr, labelsTr).")
@click.option("--labels", type=FOLDER, help="Their labels; paired by their names.")
@click.option("--target", type=FOLDER, help="Scans of the other modality, without labels.")
@click.option("--held-out", type=FOLDER, help="Scans of the target to be segmented, and never trained on.")
@click.option("--held-out-labels", type=FOLDER, help="Their labels: for scoring alone.")
@click.option("--structures", callback=structures_or_none, metavar="NAME=VALUE,...", help="The one that steers first.")
@click.option(
    "--centres", callback=pattern_or_name, metavar="PATTERN", help="In names of scans, the centre in ( ); or its name."
)
@click.option("--patients", callback=pattern, metavar="PATTERN", help="In names of scans, the patient in ( ).")
@click.option("--modalities", default="", callback=two_names, metavar="SOURCE,TARGET", help="For tables and pictures.")
@click.option("--hours", default=1.0, show_default=True, type=Number(min=0, min_open=True), help="Of a whole run.")
@click.option("--gpu", metavar="NAME", help="Plan for a machine that was measured; default: this one.")
@click.option("--no-translation", is_flag=True, help="Train on the source's images as they are.")
@click.option(
    "--root", default=Path("data/raw/planned"), show_default=True, type=FOLDER, help="Gets cases.csv and links."
)
@click.option("--force", is_flag=True, help="Write over a params.yaml with values of your own; it is kept beside.")
def plan(
    data: Path | None,
    source: Path | None,
    labels: Path | None,
    target: Path | None,
    held_out: Path | None,
    held_out_labels: Path | None,
    root: Path,
    no_translation: bool,
    **others: Any,
) -> None:
    """Choose every number for data of your own, with its reason; write cases.csv and params.yaml.

    DATA: a folder with a cases.csv, or CrossMoDA 2022 as it is unpacked; else name --source, --labels and --target.
    Nothing is trained, and no label of a target scan is read.
    """
    parts = {"--source": source, "--labels": labels, "--target": target}
    parts |= {"--held-out": held_out, "--held-out-labels": held_out_labels}
    named = [option for option, folder in parts.items() if folder is not None]
    if data is not None and named:
        raise click.UsageError(f"{data} and {', '.join(named)}; allowed: one folder with all, or its parts")
    if data is None and (source is None or target is None):
        lacking = " and ".join(option for option in ("--source", "--target") if parts[option] is None)
        raise click.UsageError(f"no {lacking}; allowed: --source, --labels and --target, or one folder with all")
    asked = given({"--centres": "centres", "--patients": "patients", "--modalities": "modalities", "--root": "root"})
    if data is not None and asked:
        raise click.UsageError(
            f"{data} and {', '.join(asked)}; allowed: with --source and --target; one folder with all stays as it is, "
            "and its cases.csv or names say the rest"
        )
    from gbaseg.commands.plan import Wanted, run
    from gbaseg.planning.folders import Folders
    from gbaseg.presets import preset_folder

    folders = None
    if source is not None and target is not None:
        folders = Folders(source, labels, target, held_out, held_out_labels)
    run(Wanted(data, folders, root, translate=not no_translation, **others), preset_folder(), PARAMS)


@click.command()
def doctor() -> None:
    """Check this machine and folder; say what to do."""
    from gbaseg.doctor import diagnose, report
    from gbaseg.params import load

    findings = diagnose(load)
    click.echo(report(findings))
    if any(finding.status == "fail" for finding in findings):
        sys.exit(1)


@click.command()
@click.option("--preset", "preset_name", metavar="NAME", help="Parameters of a preset; default: params.yaml.")
@click.option("--gpu", metavar="NAME", help="A machine that was measured; default: this one, by its last run here.")
@click.option("--source", type=click.IntRange(min=1), help="Source cases.")
@click.option("--target", type=click.IntRange(min=1), help="Target cases to adapt to.")
@click.option("--held-out", type=click.IntRange(min=0), help="Target cases to segment besides.")
@click.option("--slices", type=click.IntRange(min=1), help="Slices of a case on the standard grid.")
@click.option("--copies", type=Number(min=0), help="Augmented copies of a source case.")
def cost(preset_name: str | None, gpu: str | None, **size: float | None) -> None:
    """What a run will take, which stage eats it, and how it grows."""
    from gbaseg.commands.cost import run
    from gbaseg.presets import preset_folder

    run(preset_name, preset_folder(), gpu, size)


@click.command("run")
def run_all() -> None:
    """Make all that is due (`dvc repro`), between `outlook` and `show`.

    DVC's warnings and errors are shown, its other words are not.
    """
    from gbaseg.commands.run import run

    run()


@click.command()
def outlook() -> None:
    """What `dvc repro` goes through, and how long it will take here."""
    from gbaseg.commands.outlook import run

    run()


@click.command()
@click.option("--older-than", metavar="AGE", help="Only what was not used for so long: 30m, 12h, 7d, 2w.")
@click.option("--remove", is_flag=True, help="Remove it, where nobody is at it.")
def scratch(older_than: str | None, remove: bool) -> None:
    """List what killed or unfinished runs, and the store, keep in .scratch."""
    from gbaseg.commands.scratch import run

    run(older_than, remove)


COMMANDS = [plan, run_all, outlook, preset, cost, doctor, scratch]
