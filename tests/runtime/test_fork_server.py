"""Workers are forked from a process that has imported for all of them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from multiprocessing import util
from pathlib import Path

import pytest

from gbaseg.runtime.engine import WORKERS, Task, run
from gbaseg.runtime.leftovers import lock_inside, tidy
from gbaseg.runtime.locks import is_held

pytestmark = pytest.mark.processes
_SLOW = """
import os, pathlib
pathlib.Path(os.environ["FOLDER"], "witnesses", f"{os.getpid()}").touch()
"""
# Waits until both workers of a pool are at it, so that none has both tasks.
_TASKS = """
import os, pathlib, time
def whoami(pool):
    import slow
    here = pathlib.Path(os.environ["FOLDER"], "workers")
    (here / f"{pool}-{os.getpid()}").touch()
    deadline = time.monotonic() + 60
    while len(list(here.glob(f"{pool}-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    return os.getpid()
def blas():
    import numpy
    from threadpoolctl import threadpool_info
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
"""
_PROGRAM = """
import sys
from tasks import whoami
from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.fork_server import import_for_workers
if __name__ == "__main__":
    import_for_workers("slow")
    pids = [pid for pool in "ab" for pid in run([Task(f"{n}", whoami, {"pool": pool}) for n in range(2)])]
    print(len(set(pids)))
"""


_ASIDE = """
import os, sys
import slow
from tasks import whoami, blas
from gbaseg.runtime import fork_server
from gbaseg.runtime.engine import Task, run
if __name__ == "__main__":
    fork_server.put_aside()
    [(aside, _)] = fork_server._aside
    if "idle" not in sys.argv:
        pids = [pid for pool in "ab" for pid in run([Task(f"{n}", whoami, {"pool": pool}) for n in range(2)])]
        [parent] = run([Task("parent", os.getppid)])
        print(len(set(pids)), parent == aside, *run([Task("blas", blas)])[0])
    print(aside)
"""


def environment_of(name):
    return os.environ.get(name)


def blocked():
    return {one.name for one in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


@pytest.mark.parametrize(("temporary", "imports"), [("tmp", 1), ("t" * 100, 4)], ids=["a short name", "too long"])
def test_two_pools_import_once_where_a_socket_has_a_place(tmp_path, temporary, imports):
    (tmp_path / "slow.py").write_text(_SLOW)
    (tmp_path / "tasks.py").write_text(_TASKS)
    (tmp_path / "program.py").write_text(_PROGRAM)
    for name in ("witnesses", "workers", temporary):
        (tmp_path / name).mkdir()
    short = tempfile.mkdtemp(prefix="t")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
            "FOLDER": str(tmp_path),
            "TMPDIR": str(tmp_path / temporary) if imports > 1 else short,
            WORKERS: "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(short)
    assert done.stdout.split() == ["4"], done.stderr
    assert len(list((tmp_path / "witnesses").iterdir())) == imports


def test_a_worker_has_the_environment_and_folder_of_now(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for value in ("a", "b"):
        monkeypatch.setenv("GBASEG_OF_A_TEST", value)
        assert run([Task("ask", environment_of, {"name": "GBASEG_OF_A_TEST"})]) == [value]
    assert [Path(found) for found in run([Task("where", os.getcwd)])] == [tmp_path]
    assert run([Task("ask", environment_of, {"name": "OPENBLAS_NUM_THREADS"})]) == ["1"]


def test_a_worker_hears_sigterm_and_leaves_the_terminal_s_signals_to_its_stage():
    assert run([Task("mask", blocked)]) == [{"SIGINT", "SIGHUP"}]


def test_a_run_beside_it_that_clears_what_killed_ones_left_does_not_end_it(tmp_path):
    [first] = run([Task("parent", os.getppid)])
    folder = Path(util.get_temp_dir())
    for path in (folder, lock_inside(folder)):
        os.utime(path, (0, 0))
    tidy(tmp_path / ".scratch", "survey-1")
    assert folder.is_dir() and is_held(lock_inside(folder))
    assert run([Task("parent", os.getppid)]) == [first]


@pytest.mark.parametrize("arguments", [[], ["idle"]])
def test_a_process_put_aside_is_what_workers_are_forked_from_and_ends_unused_too(tmp_path, arguments):
    (tmp_path / "slow.py").write_text(_SLOW)
    (tmp_path / "tasks.py").write_text(_TASKS)
    (tmp_path / "program.py").write_text(_ASIDE)
    for name in ("witnesses", "workers"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py"), *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
            "FOLDER": str(tmp_path),
            WORKERS: "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    *said, aside = done.stdout.split()
    assert said == ([] if arguments else ["4", "True", "1"]), done.stderr
    assert len(list((tmp_path / "witnesses").iterdir())) == 1
    wait_until_gone(int(aside))


def wait_until_gone(process):
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
