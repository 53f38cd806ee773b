"""Tasks for the tests of SLURM, and how they look at where they run. Imported on the nodes by its name."""

import errno
import os
import time
from pathlib import Path

from gbaseg.errors import UserError
from gbaseg.runtime.ending import end, put_off
from gbaseg.runtime.progress import meter


def where(value, seconds=0.0):
    """A value, and what the engine has settled for the task."""
    time.sleep(seconds)
    return {
        "value": value,
        "node": os.environ["SLURMD_NODENAME"],
        "job": os.environ["SLURM_JOB_ID"],
        "threads": os.environ["OMP_NUM_THREADS"],
        "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "cores": os.environ["GBASEG_WORKERS"],
        "process": os.getpid(),
    }


def count(folder: Path, steps: int, seconds: float = 0.1, every: int = 5):
    """A training: counts, notes what it has reached every few steps, and when it is asked to end.

    Returns:
        The count, and the nodes and first steps of each start.
    """
    checkpoint, starts = folder / "checkpoint", folder / "starts"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    with starts.open("a") as stream:
        stream.write(f"{os.environ['SLURMD_NODENAME']} {done}\n")
    with meter(folder.name, steps, done) as bar, put_off() as asked_to_end:
        while done < steps:
            time.sleep(seconds)
            done += 1
            bar.advance()
            if asked_to_end() or done % every == 0:
                checkpoint.with_suffix(".new").write_text(str(done))
                checkpoint.with_suffix(".new").replace(checkpoint)
            if asked_to_end():
                end()
    return done, starts.read_text().splitlines()


def fail():
    raise ValueError("the seventh seal")


def mistake():
    raise UserError("params.yaml: no")


def full_disk(path):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def unpicklable():
    return lambda: None


def die():
    os.kill(os.getpid(), 9)
