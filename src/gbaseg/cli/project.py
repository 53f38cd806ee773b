"""Commands about this folder: its parameters, its machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

PARAMS = Path("params.yaml")
PRESETS = Path("presets")


@click.command()
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


@click.command()
def doctor() -> None:
    """Check this machine and folder; say what to do."""
    from gbaseg.doctor import diagnose, report
    from gbaseg.params import load

    findings = diagnose(load)
    click.echo(report(findings))
    if any(finding.status == "fail" for finding in findings):
        sys.exit(1)


COMMANDS = [preset, doctor]
