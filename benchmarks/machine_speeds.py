"""Enter this machine into the cost model's machines.json, by what the last run in this folder took.

python benchmarks/machine_speeds.py h200 "one H200, demonstration, commit 1234567"
"""

import json
from importlib.resources import files

import click

from gbaseg import params
from gbaseg.commands.cost import size_here
from gbaseg.cost.speeds import known_machines, speeds_of_ledger
from gbaseg.cost.work import count_work
from gbaseg.runtime.ledger import read_ledger


@click.command(help=__doc__)
@click.argument("name")
@click.argument("about")
def main(name: str, about: str) -> None:
    settings = params.load()
    size = size_here(settings)
    if size is None:
        raise click.ClickException("no run in this folder")
    speeds = {
        kind: [round(speed.measured_units, 6), round(speed.measured_units * speed.seconds_per_unit, 1)]
        for kind, speed in speeds_of_ledger(count_work(settings, size), read_ledger()).items()
    }
    machines = known_machines() | {name: {"about": about, "speeds": speeds}}
    path = files("gbaseg.cost").joinpath("machines.json")
    path.write_text(json.dumps(machines, indent=1) + "\n", encoding="utf-8")  # type: ignore[attr-defined]
    click.echo(f"{path}: {name}")


if __name__ == "__main__":
    main()
