"""Workers are forked from a process that has imported for all of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from gbaseg.runtime.engine import WORKERS, Task, run

_SLOW = """
import os, pathlib
pathlib.Path(os.environ["WITNESSES"], f"{os.getpid()}").touch()
"""
_PROGRAM = """
import sys
from tasks import whoami
from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.fork_server import import_for_workers
if __name__ == "__main__":
    import_for_workers("slow")
    first = run([Task(f"{n}", whoami) for n in range(2)])
    second = run([Task(f"{n}", whoami) for n in range(2)])
    print(len(first + second))
"""


def environment_of(name):
    return os.environ.get(name)


def blocked():
    return {one.name for one in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def test_two_pools_import_once(tmp_path):
    (tmp_path / "slow.py").write_text(_SLOW)
    (tmp_path / "tasks.py").write_text("def whoami():\n    import os, slow\n    return os.getpid()\n")
    (tmp_path / "program.py").write_text(_PROGRAM)
    witnesses = tmp_path / "witnesses"
    witnesses.mkdir()
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env={**os.environ, "PYTHONPATH": path, "WITNESSES": str(witnesses), WORKERS: "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["4"], done.stderr
    assert len(list(witnesses.iterdir())) == 1


def test_a_worker_has_the_environment_and_folder_of_now(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for value in ("a", "b"):
        monkeypatch.setenv("GBASEG_OF_A_TEST", value)
        assert run([Task("ask", environment_of, {"name": "GBASEG_OF_A_TEST"})]) == [value]
    assert [Path(found) for found in run([Task("where", os.getcwd)])] == [tmp_path]
    assert run([Task("ask", environment_of, {"name": "OPENBLAS_NUM_THREADS"})]) == ["1"]


def test_a_worker_hears_sigterm_and_leaves_the_terminal_s_signals_to_its_stage():
    assert run([Task("mask", blocked)]) == [{"SIGINT", "SIGHUP"}]
