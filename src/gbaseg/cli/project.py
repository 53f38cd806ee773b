"""Commands about this folder: its parameters, its machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gbaseg.cli.options import Number

PARAMS = Path("params.yaml")
PRESETS = Path("presets")


@click.command()
@click.argument("name", required=False)
def preset(name: str | None) -> None:
    """Write a preset into params.yaml; without NAME: list them.

    A preset is the defaults with its changes. Values set by hand go: they are named, and params.yaml.bak has them.
    """
    from gbaseg.params import check
    from gbaseg.presets import apply_preset, describe, list_presets

    if name is None:
        click.echo(describe(list_presets(PRESETS)))
        return
    overwritten = apply_preset(name, PRESETS, PARAMS, validate=check)
    click.echo(f"{PARAMS}: preset {name} written")
    if overwritten is not None:
        click.echo(overwritten)


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
@click.option("--slices", type=click.IntRange(min=1), help="Axial slices of a case on the standard grid.")
@click.option("--copies", type=Number(min=0), help="Augmented copies of a source case.")
def cost(preset_name: str | None, gpu: str | None, **size: float | None) -> None:
    """What a run will take, which stage eats it, and how it grows."""
    from gbaseg.commands.cost import run

    run(preset_name, PRESETS, gpu, size)


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


COMMANDS = [run_all, outlook, preset, cost, doctor, scratch]
