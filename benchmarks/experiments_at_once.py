"""Six experiments (two seeds, three arms) two at a time against one after the other, both from nothing.

    python benchmarks/experiments_at_once.py

A stage's networks have one thread in both, but DVC and the imports of the next stage go on beside it: one after the
other, experiments use a second core, too. Hence a second comparison, with one after the other held to one core, as
each of two at a time has it. Outputs are compared, and it is counted how often each stage was made.
"""

import os
import shutil
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import click
from finished_project import finished_project, run_in
from harness import Figure, publish, seconds
from ruamel.yaml import YAML

from gbaseg.git import git

_ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GBASEG_WORKERS"), "1")
_GRID = ("gbaseg", "ablation", "arms", "--seeds", "1,2", "--run")
# The bar: of the time of one after the other.
_OF_SERIAL = 0.6


def made(folder: Path) -> dict[str, dict[str, str]]:
    """Experiment -> its outputs' hashes."""
    found = {}
    for reference in git("for-each-ref", "--format=%(refname)", "refs/exps", folder=folder).splitlines():
        if "/exec/" in reference or reference.endswith("/stash"):
            continue
        lock = YAML(typ="safe").load(git("show", f"{reference}:dvc.lock", folder=folder))
        outputs = [output for stage in lock["stages"].values() for output in stage.get("outs", [])]
        found[reference.rpartition("/")[2]] = {output["path"]: output["md5"] for output in outputs}
    return found


def kept(folder: Path) -> Counter[str]:
    """How often a stage's command is in DVC's cache of runs, once for each set of inputs."""
    files = [path for path in (folder / ".dvc/cache/runs").rglob("*") if path.is_file()]
    return Counter(YAML(typ="safe").load(path.read_text(encoding="utf-8"))["cmd"] for path in files)


@click.command(help=__doc__)
@click.option("--project", type=click.Path(path_type=Path, exists=True, file_okay=False), help="A finished one.")
def main(project: Path | None) -> None:
    all_cores = os.sched_getaffinity(0)
    ways = {"at_once": (all_cores, ("--at-once", "2")), "serial": (all_cores, ()), "one_core": ({min(all_cores)}, ())}
    with finished_project(project) as finished, tempfile.TemporaryDirectory() as name:
        folders = {way: Path(name) / way for way in ways}
        times = {}
        for way, (cores, options) in ways.items():
            shutil.copytree(finished, folders[way], symlinks=True)
            # From nothing: neither cache nor store.
            for of_runs in (".dvc/cache", ".dvc/tmp", ".scratch", "data", "models"):
                shutil.rmtree(folders[way] / of_runs, ignore_errors=True)
            git("checkout", "--", ".", folder=folders[way])
            os.sched_setaffinity(0, cores)  # what is started inherits it
            times[way] = seconds(partial(run_in, folders[way], *_GRID, *options, **_ONE_CORE))
            os.sched_setaffinity(0, all_cores)
        results = {way: made(folder) for way, folder in folders.items()}
        assert len(results["serial"]) == 6 and all(one == results["serial"] for one in results.values()), "they differ"
        shared = {stage: count for stage, count in kept(folders["at_once"]).items() if count < 6}
        note = f"all outputs equal; stages that several share were made {sorted(set(shared.values()))} times"
        publish(
            "experiments_at_once",
            [
                Figure(
                    "six experiments of the tiny preset, two at a time", times["at_once"], times[way], "s",
                    f"one after the other{words}", times[way] / times["at_once"], 1, 1 / _OF_SERIAL, note,
                )
                for way, words in (("serial", ""), ("one_core", ", on one core"))
            ],
        )  # fmt: skip


if __name__ == "__main__":
    main()
