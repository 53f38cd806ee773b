"""One more experiment after another: what `dvc exp run` takes beside the stages that it has to run again.

    python benchmarks/one_more_experiment.py                       # makes a tiny project first: minutes
    python benchmarks/one_more_experiment.py --project FOLDER      # a copy of a finished one of arm gba

Beside: wall time less what the ledger has of the stages. A stage that the change does not reach must not run.
"""

import json
import time
from pathlib import Path

import click
from finished_project import commit_all, finished_project, run_in
from harness import Figure, publish

# What augmentation.arm does not change.
_SPARED = {
    "phantom",
    "standardise",
    "train_translation",
    "choose_translation",
    "translate",
    "survey",
    "pseudo_label/survey",
    "train_oracle",
    "baseline",
}
BAR_S = 15.0


@click.command(help=__doc__)
@click.option("--project", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-S", "--set", "change", default="augmentation.arm=naive", show_default=True)
def main(project: Path | None, change: str) -> None:
    with finished_project(project) as copy:
        commit_all(copy)
        ledger = copy / "logs" / "stages.jsonl"
        before = len(ledger.read_text(encoding="utf-8").splitlines())
        started = time.perf_counter()
        run_in(copy, "dvc", "exp", "run", "-S", change)
        whole = time.perf_counter() - started
        lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()[before:]]
    ran = [line["stage"] for line in lines]
    if wrong := sorted(_SPARED & set(ran)):
        raise click.ClickException(f"{change}: done again though nothing of theirs has changed: {', '.join(wrong)}")
    beside = whole - sum(line["seconds"] for line in lines)
    of = project.name if project else "the preset tiny"
    note = f"{len(ran)} stages ran in {whole:.0f} s: {', '.join(ran)}"
    what = f"dvc exp run -S {change}, of {of}, beside its stages"
    publish("one_more_experiment", [Figure(what, beside, BAR_S, "s", "allowed", BAR_S / beside, 1, 1.0, note)])


if __name__ == "__main__":
    main()
