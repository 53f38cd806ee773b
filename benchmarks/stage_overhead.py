"""What each stage takes beside its work: start-up, imports, checks, workers, outputs, and DVC around it.

    python benchmarks/stage_overhead.py                       # makes a tiny project first: minutes
    python benchmarks/stage_overhead.py --project FOLDER      # a copy of a finished one; trains all of it again

Seconds by the clock, so on an idle machine; `cpu` is of the stage's process alone: forked workers are not its children.
"""

import json
import shutil
import sys
import time
from pathlib import Path

import click
from finished_project import finished_project, run_in, stages_of
from harness import Figure, Table, publish
from timed_stage import FOLDER

PARTS = ("start", "imports", "preflight", "inputs", "workers", "outputs")


def put_watch(folder: Path) -> Path:
    """A `gbaseg` that is timed, in a folder to stand first in the path; where it writes to is beside it."""
    program = folder / "bin" / "gbaseg"
    program.parent.mkdir()
    (folder / "times").mkdir()
    script = Path(__file__).with_name("timed_stage.py")
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return folder / "bin"


def times_of(stage: str, project: Path, beside: Path) -> dict[str, float]:
    """Seconds of each part of one stage that is done again, without what its store and DVC's cache of runs keep."""
    shutil.rmtree(project / ".dvc/cache/runs", ignore_errors=True)
    shutil.rmtree(project / ".scratch", ignore_errors=True)
    for old in (beside / "times").iterdir():
        old.unlink()
    started = time.perf_counter()
    command = f'PATH="{beside / "bin"}:$PATH" dvc repro --no-run-cache -q -f -s "{stage}"'
    run_in(project, "sh", "-c", command, **{FOLDER: str(beside / "times")})
    whole = time.perf_counter() - started
    [file] = (beside / "times").iterdir()
    found = json.loads(file.read_text(encoding="utf-8"))
    parts = {part: found.get(part, 0.0) for part in PARTS}
    return {
        **parts, "work": found["total"] - sum(parts.values()), "dvc": whole - found["total"], "whole": whole,
        "cpu": found["cpu"],
    }  # fmt: skip


@click.command(help=__doc__)
@click.option("--project", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--stage", "only", multiple=True, help="As dvc.lock names it; default: all.")
def main(project: Path | None, only: tuple[str, ...]) -> None:
    rows: dict[str, dict[str, float]] = {}
    with finished_project(project) as copy:
        beside = copy.parent
        put_watch(beside)
        for stage in only or stages_of(copy):
            rows[stage] = times_of(stage, copy, beside)
            click.echo(f"{stage}: " + ", ".join(f"{part} {value:.2f}" for part, value in rows[stage].items()))
    columns = [*PARTS, "work", "dvc", "whole", "cpu"]
    total = {part: sum(row[part] for row in rows.values()) for part in columns}
    around = total["whole"] - total["work"]
    table = Table(
        ["stage", *columns],
        [[name, *(round(row[part], 2) for part in columns)] for name, row in {**rows, "all": total}.items()],
    )
    what = f"beside the work of {len(rows)} stages of {project.name if project else 'the preset tiny'}"
    figure = Figure(what, around, total["whole"], "s", "wall time", total["whole"] / around, 1)
    publish("stage_overhead", [figure], table)


if __name__ == "__main__":
    main()
