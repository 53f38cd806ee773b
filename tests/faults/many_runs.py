"""Many runs with changed parameters in one clone, half of them killed. By hand:

    python tests/faults/many_runs.py --runs 20 --project FOLDER      # of a tiny project that has run

Each draws parameters, and runs the stages of one process, as a program that calls them does: its memory has to stay as
it is, no process may be left, and the scratch folder may not grow without end.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import re
import sys
import time
import uuid
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import psutil
from click.testing import CliRunner
from ruamel.yaml import YAML

from gbaseg.runtime.leftovers import KEPT_TRIES

_spec = spec_from_file_location("processes", Path(__file__).with_name("processes.py"))
assert _spec and _spec.loader
processes = module_from_spec(_spec)
_spec.loader.exec_module(processes)

COMMANDS = ("train-translation", "translate", "train-singan")
# Of a run that is killed: its trainings, whose work is kept for the next try.
KILLED = ("train-translation", "train-singan")
_MIB = 2**20
# Unfinished work that may lie there at a time: of each stage the run's own and those that are kept.
MOST_UNFINISHED = len(KILLED) * (1 + KEPT_TRIES)


def drawn(params: dict[str, Any], draw: random.Random) -> None:
    """Change what makes every one of the stages work anew."""
    params["seed"] = draw.randrange(10**6)
    params["augmentation"]["singan"]["iterations"] = draw.randint(2, 4)
    params["translation"]["cyclegan"]["steps_per_epoch"] = draw.randint(3, 8)
    params["augmentation"]["arm"] = draw.choice(["gba", "gba", "naive", "none"])


def size_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def unfinished_in(scratch: Path) -> int:
    """Folders of unfinished work; what is under removal goes with the next run."""
    return len([path for path in scratch.iterdir() if path.is_dir() and path.name[0] != "." and path.name != "store"])


def children_left() -> list[psutil.Process]:
    """All that this process has started, but for two that live as long as it does: multiprocessing's tracker of
    resources, and the one that workers are forked from."""
    keepers = [
        one for one in psutil.Process().children() if re.search("resource_tracker|forkserver", str(one.cmdline()))
    ]
    assert len(keepers) <= 2
    return [one for one in psutil.Process().children(recursive=True) if one not in keepers]


def main() -> None:
    """A line a run; exit 1 where memory grows by a tenth from the fifth run on, something is left, or scratch grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    from gbaseg.cli import main as gbaseg

    os.chdir(asked.project)
    os.environ.update({"GBASEG_WORKERS": "1", "OMP_NUM_THREADS": "1"})
    draw, parameters = random.Random(asked.seed), Path("params.yaml")
    memory, scratch, unfinished, left, hit = [], [], [], 0, 0
    for number in range(1, asked.runs + 1):
        params = YAML(typ="safe").load(parameters.read_text())
        drawn(params, draw)
        with parameters.open("w") as stream:
            YAML().dump(params, stream)
        killed = number % 2 == 0
        for command in KILLED if killed else COMMANDS:
            if not killed:
                result = CliRunner().invoke(gbaseg, [command], catch_exceptions=False)
                assert result.exit_code == 0, result.output
                continue
            mark = uuid.uuid4().hex
            before = unfinished_in(Path(".scratch"))
            process = processes.start(["gbaseg", command], Path(), mark)
            while process.poll() is None and unfinished_in(Path(".scratch")) <= before:
                time.sleep(0.02)
            time.sleep(draw.uniform(0.0, 2.0))
            hit += process.poll() is None
            processes.kill_all(mark)
            process.communicate()
            left += len(processes.family_of(mark))
        gc.collect()
        memory.append(psutil.Process().memory_info().rss / _MIB)
        scratch.append(size_of(Path(".scratch")) / _MIB)
        left += len(children_left())
        unfinished.append(unfinished_in(Path(".scratch")))
        print(
            f"run {number}{', killed' if killed else ''}: memory {memory[-1]:.0f} MiB, scratch {scratch[-1]:.1f} MiB, "
            f"{unfinished[-1]} unfinished, {left} process(es) left, {hit} kill(s) while a stage was at work",
            flush=True,
        )
    grown = max(memory[4:], default=0) / max(memory[: max(4, 1)]) - 1
    print(
        f"memory of the parent from the fifth run on: {grown:+.1%}; scratch at most {max(scratch):.1f} MiB, "
        f"{max(unfinished)} unfinished of at most {MOST_UNFINISHED}"
    )
    sys.exit(left > 0 or grown > 0.1 or max(unfinished) > MOST_UNFINISHED or (asked.runs > 1 and not hit))


if __name__ == "__main__":
    main()
