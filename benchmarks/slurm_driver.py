"""The driver of jobs by itself: 2,000 stub tasks on 100 nodes that are simulated, by programs named as SLURM's.

    python benchmarks/slurm_driver.py

What it takes beside the tasks: its memory, how often it asks, how long a look at all jobs takes.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

import click
import psutil
from harness import Figure, publish

from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.engine.calls import Call, Done
from gbaseg.runtime.engine.settings import Engine
from gbaseg.runtime.place import Place, placed

_PROGRAMS = {
    "sbatch": 'sed -n "s/^#SBATCH --job-name=//p" "$1" > {folder}/name; echo "Submitted batch job 1"',
    "squeue": "echo >> {folder}/asked; cat {folder}/queue",
    "scancel": "echo >> {folder}/cancelled",
    "srun": "exit 1",
}


def stand_ins(folder: Path) -> None:
    """Programs that stand first in the path and answer from files in `folder`."""
    (folder / "bin").mkdir()
    for name, line in _PROGRAMS.items():
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{line.format(folder=folder)}\n")
        program.chmod(0o755)
    for name in ("asked", "cancelled", "queue"):
        (folder / name).touch()
    os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"


def simulate(folder: Path, jobs: Path, nodes: int, seconds: float, over: threading.Event) -> None:
    """Nodes that take one job after the other, `seconds` each, and hand back what its tasks return."""
    while not (folder / "name").exists():
        time.sleep(0.05)
    [record_file] = jobs.glob("*/record.json")
    call = Call(record_file.parent)
    record = call.read()
    assert record is not None
    name, packs = (folder / "name").read_text().strip(), record.packs
    for start in range(0, len(packs), nodes):
        states = ["COMPLETED"] * start + ["RUNNING"] * nodes + ["PENDING"] * len(packs)
        lines = [
            f"1|{number}|{name}|{state}|node{number % nodes}|None\n"
            for number, state in enumerate(states[: len(packs)])
        ]
        (folder / "queue.new").write_text("".join(lines))
        (folder / "queue.new").replace(folder / "queue")
        time.sleep(seconds)
        for pack in packs[start : start + nodes]:
            for task in pack:
                call.put(task, Done(None, task, ""))
    over.set()


@click.command(help=__doc__)
@click.option("--tasks", default=2000, show_default=True)
@click.option("--nodes", default=100, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Of a job.")
def main(tasks: int, nodes: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stand_ins(folder)
        jobs, over, memory = folder / "jobs", threading.Event(), []
        process = psutil.Process()

        def watch() -> None:
            while not over.wait(1.0):
                memory.append(process.memory_info().rss / 2**20)

        for target, arguments in ((simulate, (folder, jobs, nodes, seconds, over)), (watch, ())):
            threading.Thread(target=target, args=arguments, daemon=True).start()
        # Its own time is nothing: Python, too, counts it by the process.
        engine = Engine(engine="slurm", at_once=nodes, worth_min=0, poll_s=5)
        started, before = time.monotonic(), time.process_time()
        with placed(Place("stub", jobs, engine)):
            results = run([Task(f"stub {number}", int) for number in range(tasks)], name="stub")
        wall, busy = time.monotonic() - started, time.process_time() - before
        assert results == list(range(tasks)), "every task's own outcome, in order"
        asked = len((folder / "asked").read_text().splitlines())
    quarter = len(memory) // 4
    settled, last = memory[quarter], max(memory[-quarter:])
    publish(
        "slurm_driver",
        [
            Figure(
                f"driver of {tasks} stub tasks on {nodes} simulated nodes: memory at the end", last, settled, "MiB",
                "after a quarter of them", settled / last, 1, 0.95,
                f"{wall:.0f} s by the clock, {busy:.1f} s of them its own",
            ),
            Figure(
                "squeue's calls for all of them", float(asked), wall, "", "seconds", wall / asked, 1,
                note="one for all jobs; one more each 5 s, the first at 1, 3 and 7 s",
            ),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
