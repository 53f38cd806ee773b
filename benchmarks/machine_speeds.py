"""Enter this machine into the cost model's machines.json, by what the last stages in this folder took.

python benchmarks/machine_speeds.py h200 "one H200, demonstration, commit 1234567"
"""

import json
from importlib.resources import files

import click

from gbaseg.cost.counted import KINDS
from gbaseg.cost.speeds import known_machines, speeds_of_ledger
from gbaseg.runtime.device import PROCESSOR, would_compute_on
from gbaseg.runtime.ledger import LEDGER, read_lines


@click.command(help=__doc__)
@click.argument("name")
@click.argument("about")
def main(name: str, about: str) -> None:
    found = speeds_of_ledger(read_lines(), would_compute_on())
    missing = sorted(set(KINDS.values()) - found.keys())
    if missing:
        raise click.ClickException(
            f"{LEDGER}: no stage has done {', '.join(missing)} in whole; `make clean`, then `dvc repro --force`"
        )
    speeds = {
        kind: [round(speed.measured_units, 6), round(speed.measured_seconds, 1), round(speed.measured_steps)]
        for kind, speed in sorted(found.items())
    }
    known, gpu = known_machines(), would_compute_on() != PROCESSOR
    # What a step takes besides its computing was measured by itself; a run's stages do not tell the two apart.
    steps: dict[str, float] = next(
        (one["steps"] for one in (known.get(name, {}), *known.values()) if one.get("steps")), {}
    )
    machines = known | {name: {"about": about, "gpu": gpu, "speeds": speeds, **({"steps": steps} if gpu else {})}}
    path = files("gbaseg.cost").joinpath("machines.json")
    path.write_text(json.dumps(machines, indent=1) + "\n", encoding="utf-8")  # type: ignore[attr-defined]
    click.echo(f"{path}: {name}")


if __name__ == "__main__":
    main()
