"""What a command costs before it does anything: `gbaseg --help`, `gbaseg outlook`, `dvc repro` when nothing is to do.

    python benchmarks/start_up.py --turns 5

Against an empty Python process. The last line needs a pipeline that has been run here.
"""

import subprocess
import sys
from dataclasses import replace

import click
from harness import Figure, in_turns, publish


def time_of(what: str, command: list[str], bar_s: float, turns: int) -> Figure:
    """One command against `python -c pass`; its bar is in seconds."""
    figure = in_turns(
        what,
        lambda: subprocess.run([sys.executable, *command], check=True, capture_output=True),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        turns,
        "python -c pass",
    )
    outcome = "reached" if figure.value <= bar_s else "**not reached**"
    return replace(figure, note=f"bar {bar_s:g} s: {outcome}")


@click.command(help=__doc__)
@click.option("--turns", default=5, show_default=True, type=click.IntRange(min=1))
def main(turns: int) -> None:
    figures = [time_of("gbaseg --help", ["-m", "gbaseg.cli", "--help"], 0.2, turns)]
    figures.append(time_of("gbaseg outlook", ["-m", "gbaseg.cli", "outlook"], 1.0, turns))
    status = subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], check=False, capture_output=True)
    if status.returncode == 0:
        figures.append(time_of("dvc repro, nothing to do", ["-m", "dvc", "repro"], 2.0, turns))
    else:
        click.echo("the pipeline is not up to date here: `dvc repro` is not timed")
    publish("start_up", figures)


if __name__ == "__main__":
    main()
