"""A stage for tests that end it: two counting tasks as jobs of SLURM. `driver.py STEPS`, in the folder of a `Site`."""

import json
import sys
from pathlib import Path

import stubs

from gbaseg.errors import UserError
from gbaseg.runtime.ending import Ended, on_signals
from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.engine.settings import Engine
from gbaseg.runtime.place import Place, placed
from gbaseg.runtime.scratch import atomic_outputs, jobs_of


def main(steps: int) -> None:
    engine = Engine(engine="slurm", poll_s=1, worth_min=0, memory_gib=0.5)
    place = Place("count/round_1", jobs_of(Path(".scratch/count-1")), engine)
    with placed(place), atomic_outputs("count-1", "result.json") as scratch:
        tasks = []
        for number in range(2):
            folder = scratch.work / f"fold {number}"
            folder.mkdir(exist_ok=True)
            tasks.append(Task(f"fold {number}", stubs.count, {"folder": folder, "steps": steps * (1 + 3 * number)}))
        results = run(tasks, deal_cores=True, lasting=True)
        scratch.output("result.json").write_text(json.dumps(results))


try:
    with on_signals():
        main(int(sys.argv[1]))
except UserError as error:
    sys.exit(f"driver: {error}")
except Ended as ended:
    print(ended, file=sys.stderr)
    raise
