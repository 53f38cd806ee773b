"""The words of SLURM: sbatch by way of submitit, squeue, scancel. One question for all jobs, however many there are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gbaseg.errors import UserError
from gbaseg.runtime.ending import WORKERS_S
from gbaseg.runtime.engine.calls import Call, Submission
from gbaseg.runtime.engine.job import run_pack
from gbaseg.runtime.engine.sealed import KEY, key
from gbaseg.runtime.engine.settings import Request

# SLURM's own bound on the jobs of an array is 1001, where a site has not raised it.
MOST_JOBS = 1000
# States of a job that is over; in all others it waits, runs or is being ended.
OVER = {
    "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE",
    "REVOKED",
}  # fmt: skip
# Array, number in it, number where it is none, name, state, node, reason.
_FORMAT = "%F|%K|%j|%T|%N|%r"
_ANSWER_S = 60.0


@dataclass(frozen=True)
class Job:
    """A job as squeue shows it: `number` in its array, `id` as people write it."""

    name: str
    number: int
    id: str
    state: str
    node: str
    reason: str


def check_slurm() -> None:
    """Check that SLURM's programs are here.

    Raises:
        UserError: some are not.
    """
    if not all(map(shutil.which, ("sbatch", "squeue", "scancel", "srun"))):
        raise _no_slurm()


def submit(call: Call, submission: Submission, request: Request, at_once: int, networks: bool, ahead_s: int) -> None:
    """Submit an array of jobs, one a pack.

    Raises:
        UserError: SLURM does not take it, in its own words; or there is none here.
    """
    try:
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError
    except ImportError as error:
        raise UserError(f"engine.yaml: engine: slurm: {error}: install it: pip install 'gbaseg[slurm]'") from error
    executor = SlurmExecutor(call.logs)
    executor.update_parameters(**_parameters(submission, request, at_once, networks, ahead_s))
    with _as_from_a_login_node():
        try:
            executor.map_array(run_pack, [str(call.folder.absolute())] * len(submission.packs), submission.packs)
        except (FailedJobError, FailedSubmissionError) as error:
            # It may have been taken all the same, where only the answer was lost.
            cancel([submission.name])
            raise UserError(f"engine.yaml: SLURM does not take the jobs: {_own_words(str(error))}") from error


def _parameters(
    submission: Submission, request: Request, at_once: int, networks: bool, ahead_s: int
) -> dict[str, object]:
    # What numpy settles when it is imported, as in a worker of this machine.
    blas = request.cpus if networks else 1
    more = {"requeue": True, "signal": f"USR1@{ahead_s}", **request.options}
    asked = {name: getattr(request, name) for name in ("partition", "account", "qos", "constraint", "gres")}
    return {
        **{name: value for name, value in asked.items() if value},
        "job_name": submission.name,
        "time": request.time,
        "cpus_per_task": request.cpus,
        "mem": f"{round((request.memory_gib or 0.0) * 1024)}M",
        "array_parallelism": at_once,
        "stderr_to_stdout": True,
        "wckey": None,  # submitit's own, which sites that count them do not know
        # Since 22.05 a step does not have its job's cores unless it says so.
        "srun_args": [f"--cpus-per-task={request.cpus}"],
        "setup": [f"export OPENBLAS_NUM_THREADS={blas}", *request.setup],
        "additional_parameters": more,
    }


@contextmanager
def _as_from_a_login_node() -> Iterator[None]:
    """Inside, what SLURM has told this process of its own job is not handed on to those that it submits; the key is."""
    own = {name: value for name, value in os.environ.items() if re.match(r"(SLURM|SRUN|PMI)_", name)}
    own.pop("SLURM_CONF", None)
    for name in own:
        del os.environ[name]
    given, os.environ[KEY] = os.environ.get(KEY), key().hex()
    try:
        yield
    finally:
        os.environ.update(own)
        if given is None:
            del os.environ[KEY]


def look(names: Sequence[str]) -> tuple[list[Job], str]:
    """All jobs of these names, also those that were over minutes ago, and what is wrong where SLURM does not answer."""
    command = ["squeue", "--array", "--noheader", "--states=all", f"--name={','.join(names)}", f"--format={_FORMAT}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ANSWER_S)
    except FileNotFoundError:
        return [], f"{_no_slurm()}"
    except subprocess.TimeoutExpired:
        return [], f"squeue: no answer in {_ANSWER_S:.0f} s"
    if answer.returncode:
        return [], _own_words(answer.stderr) or f"squeue: exit code {answer.returncode}"
    return [_job(line) for line in answer.stdout.splitlines() if line.count("|") >= 5], ""


def _job(line: str) -> Job:
    array, number, name, state, node, reason = line.strip().split("|", maxsplit=5)
    in_array = number.isdigit()  # N/A of a single job
    return Job(name, int(number) if in_array else 0, f"{array}_{number}" if in_array else array, state, node, reason)


def cancel(names: Sequence[str], waiting_only: bool = False) -> None:
    """Cancel all jobs of these names, and no others.

    Args:
        waiting_only: those that have not begun.

    Raises:
        UserError: there is no SLURM here, or it does not answer.
    """
    for name in names:
        command = ["scancel", f"--name={name}", *(["--state=PENDING"] if waiting_only else [])]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ANSWER_S)
        except FileNotFoundError as error:
            raise _no_slurm() from error
        except subprocess.TimeoutExpired as error:
            raise UserError(f"scancel: no answer in {_ANSWER_S:.0f} s; say yourself: scancel --name={name}") from error
        if done.returncode:
            raise UserError(f"{_own_words(done.stderr)}; say yourself: scancel --name={name}")


def wait_until_gone(names: Sequence[str], most_s: float = WORKERS_S) -> bool:
    """Wait for jobs that were cancelled: they may write checkpoints. Whether they are gone."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        jobs, fault = look(names)
        if not fault and all(job.state in OVER for job in jobs):
            return True
        time.sleep(0.5)
    return False


def _own_words(text: str) -> str:
    """What sbatch, squeue or scancel said, of all that stands around it."""
    said = [line.strip() for line in text.splitlines() if re.match(r"\s*(sbatch|squeue|scancel): ", line)]
    return "; ".join(dict.fromkeys(said)) or " ".join(text.split())


def _no_slurm() -> UserError:
    return UserError(
        f"engine.yaml: engine: slurm, and no sbatch, squeue, scancel and srun on the PATH of {os.uname().nodename}; "
        "run this where they are, or here without SLURM: GBASEG_ENGINE=local"
    )


def describe(request: Request) -> Mapping[str, object]:
    """What a job asks for, in words, for the log."""
    asked = {name: getattr(request, name) for name in ("partition", "account", "qos", "constraint", "gres")}
    found: dict[str, object] = {name: value for name, value in asked.items() if value}
    return {**found, "cpus": request.cpus, "GiB": round(request.memory_gib or 0.0, 1), "min": request.time}
