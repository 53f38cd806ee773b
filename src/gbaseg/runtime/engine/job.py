"""In a job of SLURM: the tasks of a pack, one after the other, each handed back as soon as it is done.

Ahead of its time limit SLURM sends SIGUSR1: the task under way writes its checkpoint, and the job goes back into the
queue, whether or not somebody waits for it. Where SLURM itself puts it back (preemption, a node that is lost) it begins
again here, passes over what is handed back already, and a training goes on from its own checkpoint.
"""

from __future__ import annotations

import math
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gbaseg.errors import UserError
from gbaseg.runtime.ending import Ended, allow, kept, kill_children, listen, on_first_signal
from gbaseg.runtime.engine.calls import Call, Done, Record
from gbaseg.runtime.engine.local import WORKERS, use_threads
from gbaseg.runtime.engine.task import attempt
from gbaseg.runtime.family import end_forks_with_this
from gbaseg.runtime.memory import keep_freed
from gbaseg.runtime.place import ENGINE, LOCAL
from gbaseg.runtime.progress import REPORT_FOLDER, log

# A pack of which so many jobs in a row got no further than those before is given up.
_IN_VAIN = 4
# Of the time between SLURM's signal and its limit: until what is under way has to end, until the job has.
_GRACE, _LAST = 0.7, 0.9


def run_pack(folder: str, pack: int) -> None:
    """Do the tasks of a pack that are not done yet; what jobs are submitted with."""
    call = Call(Path(folder))
    record = call.read()
    if record is None:
        log("this call is over; nothing to do")  # cancelled, while SLURM was putting the job back
        return
    _settle_in(call, record, pack)
    try:
        with kept():
            _run_tasks(call, record, pack)
    except Ended as ended:
        _leave(call, pack, ended)


def _settle_in(call: Call, record: Record, pack: int) -> None:
    """As a worker of this machine begins: threads, ends, freed memory, and where progress is told."""
    os.environ[ENGINE] = LOCAL
    limit = os.environ.get("OMP_NUM_THREADS", "")
    use_threads(min(record.threads, int(limit)) if limit.isdigit() and int(limit) > 0 else record.threads)
    os.environ[WORKERS] = str(record.threads)
    call.progress(pack).mkdir(parents=True, exist_ok=True)
    os.environ[REPORT_FOLDER] = str(call.progress(pack))
    allow(signal.SIGUSR1, _GRACE * record.ahead_s, _LAST * record.ahead_s)
    listen(signal.SIGUSR1, signal.SIGTERM)
    on_first_signal(lambda: call.end_pack(pack, "asked"))
    end_forks_with_this()
    keep_freed()


def _run_tasks(call: Call, record: Record, pack: int) -> None:
    job = os.environ.get("SLURM_ARRAY_JOB_ID", "")
    job = f"{job}_{os.environ['SLURM_ARRAY_TASK_ID']}" if job else os.environ.get("SLURM_JOB_ID", "?")
    node = os.environ.get("SLURMD_NODENAME") or platform.node()
    where = f" on {node}, job {job}, log {call.logs / f'{job}_0_log.out'}"
    finished = call.done()
    done = sum(number in finished for number in record.packs[pack])
    # How far it is: tasks, and the steps of the one under way, as the last job has told them.
    at = [done, sum(report["done"] for report in call.reports(pack))]
    starts = call.begin_pack(pack, {"job": job, "node": node, "at": at})
    best = max((start["at"] for start in starts[:-_IN_VAIN]), default=[math.inf])
    is_stuck = all(start["at"] <= best for start in starts[-_IN_VAIN:]) and len(starts) > _IN_VAIN
    for number in record.packs[pack]:
        if number in finished:
            continue
        task = call.tasks[number]
        if is_stuck:
            call.put(number, Done(_given_up(task.name, [start["node"] for start in starts], where), None, where))
            continue
        log(f"{task.name}{where}")
        failure, result = attempt(task)
        if isinstance(failure, str):
            print(failure, file=sys.stderr, flush=True)  # into the job's log, too
        call.put(number, Done(failure, result, where))


def _given_up(name: str, nodes: Sequence[str], where: str) -> UserError:
    return UserError(
        f"{name}: begun {len(nodes)} times (on {', '.join(nodes)}), lately never further than before; last{where}. "
        "Its time limit, or whatever else ends its jobs, comes too soon: engine.yaml: time"
    )


def _leave(call: Call, pack: int, ended: Ended) -> NoReturn:
    """End, and where it was the time limit that asked, have SLURM begin this job again."""
    call.end_pack(pack, ended.signal)
    log(f"ended by {ended.signal}")
    if ended.signal == signal.SIGUSR1.name:
        done = subprocess.run(
            ["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=False, capture_output=True, text=True
        )
        # Not allowed at all sites: whoever waits for the job submits another one.
        log(f"requeued{'' if done.returncode == 0 else f': no, {done.stderr.strip()}'}")
    kill_children()
    os._exit(ended.status)
