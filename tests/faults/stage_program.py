"""A stage with two workers, each with a process forked from it, as small as one can be: `... FOLDER [SECONDS]`.

It says where it is by files in FOLDER: `worker-PID` and `fork-PID` when they are there.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from pathlib import Path

import click

from gbaseg import cli
from gbaseg.runtime.engine import Task, run


def work(folder: Path, seconds: float) -> int:
    (folder / f"worker-{os.getpid()}").touch()
    multiprocessing.get_context("fork").Process(target=sleep, args=(folder, seconds), daemon=True).start()
    time.sleep(seconds)
    return os.getpid()


def sleep(folder: Path, seconds: float) -> None:
    (folder / f"fork-{os.getpid()}").touch()
    time.sleep(seconds)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("seconds", type=float, default=60.0)
def program(folder: Path, seconds: float) -> None:
    from gbaseg.workflow.context import stage  # here: its imports take the workers as long again as all else

    # The name has no settings of its own: params.yaml is not read.
    with stage("phantom", {}, [], [Path("out")], resumable=True) as scratch:
        (scratch.work / "checkpoint").touch()
        run([Task(f"task {number}", work, {"folder": folder, "seconds": seconds}) for number in range(2)])
        scratch.output("out").write_text("done")


if __name__ == "__main__":
    cli.main.add_command(program)
    sys.argv.insert(1, "program")
    cli.main()
