"""Stages of one dvc are forked from a process that has imported for all, and are as if started by themselves."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from gbaseg.runtime import stage_client, stage_server
from gbaseg.runtime.stage_client import SWITCH

pytestmark = pytest.mark.processes
# Told a command a line, runs it as dvc runs a stage's, and says what came of it.
_DVC = """
import json, os, subprocess, sys
for line in sys.stdin:
    asked = json.loads(line)
    stage = subprocess.Popen(
        asked["command"], shell=True, cwd=asked["folder"], env={**os.environ, **asked["environment"]},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    print(json.dumps(stage.pid), flush=True)
    out, err = stage.communicate()
    print(json.dumps([stage.returncode, out, err]), flush=True)
"""
GBASEG = f"exec {Path(sys.executable).with_name('gbaseg')}"


class Dvc:
    """A process that starts stages."""

    def __init__(self, folder):
        program = folder / "dvc"
        program.write_text(_DVC)
        self.folder = folder
        self.temporary = folder  # of a short name, as a socket's has to be
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        environment.pop(SWITCH, None)
        self.process = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def begin(self, command, folder=None, **environment):
        """The process of a stage that was begun."""
        asked = {
            "command": command,
            "folder": str(folder or self.folder),
            "environment": {"DVC_STAGE": "a stage", **environment},
        }
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def result(self):
        return json.loads(self.process.stdout.readline())

    def run(self, command, folder=None, **environment):
        self.begin(command, folder, **environment)
        return self.result()

    def servers(self):
        """Of this dvc's stages, that are ready."""
        return [path for path in self.temporary.glob("gbaseg-stages-*") if _listens(path / "socket")]

    def server(self):
        """Its process, waited for."""
        wait_for(self.servers)
        [folder] = self.servers()
        [found] = [one for one in psutil.process_iter() if str(folder) in _command(one) and not _is_stage(one)]
        return found

    def stage(self):
        """The process of a stage that was handed over."""
        [found] = wait_for(self.server().children)
        return found

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def _command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _listens(place):
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(place)) == 0


def _is_stage(process):
    return process.name() == "gbaseg stage"


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@contextmanager
def dvc_with_server():
    """A dvc whose first stage has run, so that there is a server; and what that stage gave."""
    if not stage_client._is_possible(os.environ):
        pytest.skip("a machine with a GPU has no server of stages")
    folder = Path(tempfile.mkdtemp(prefix="t"))
    dvc = Dvc(folder)
    try:
        dvc.first = dvc.run(f"{GBASEG} outlook")
        dvc.server()
        yield dvc
    finally:
        dvc.end()
        wait_for(lambda: not dvc.servers())
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def ready():
    with dvc_with_server() as dvc:
        yield dvc


@pytest.fixture
def at_work(ready, tmp_path):
    """A stage that takes long, handed over."""
    begin(ready, tmp_path)
    return ready


@pytest.fixture
def alone(tmp_path):
    """As `at_work`, of a dvc of its own."""
    with dvc_with_server() as dvc:
        begin(dvc, tmp_path)
        yield dvc


def begin(dvc, project):
    shutil.copy(Path(__file__).parents[2] / "params.yaml", project)
    dvc.caller = psutil.Process(dvc.begin(f"{GBASEG} phantom", project))
    dvc.at_work = dvc.stage()
    wait_for(lambda: list(project.glob(".scratch/phantom/**/*.nii.gz")))


def test_the_second_stage_is_a_fork_and_says_and_returns_what_the_first_did(ready):
    # There is no params.yaml: a mistake, its words and its exit code.
    assert ready.first[0] == 1 and "params.yaml" in ready.first[2]
    assert ready.run(f"{GBASEG} outlook") == ready.first
    assert len(ready.servers()) == 1
    assert ready.run(f"{GBASEG} --version")[:2] == [0, ready.run(f"{GBASEG} --version", **{SWITCH: "0"})[1]]


@pytest.mark.parametrize(
    ("command", "first", "last"),
    [
        ("train-singan", ["augment", "adapt"], "train_singan"),
        ("phantom", ["standardise", "train_translation"], "summarise"),
    ],
)
def test_what_the_next_stages_want_is_imported_first(command, first, last):
    program, *stages = stage_server._in_order(command)
    assert sorted([program, *stages]) == sorted(stage_server._IMPORTED) and program == "gbaseg.cli"
    assert stages[:2] == [f"gbaseg.stages.{name}" for name in first] and stages[-1] == f"gbaseg.stages.{last}"


def test_a_fork_has_the_folder_and_streams_of_its_caller(ready, tmp_path):
    project = tmp_path / "elsewhere"
    project.mkdir()
    (project / "params.yaml").write_text("seed: many\n")
    code, out, err = ready.run(f"{GBASEG} outlook > said.txt 2>&1", project)
    assert (code, out, err) == (1, "", "")
    assert "seed" in (project / "said.txt").read_text()


def test_a_stage_that_is_to_be_another_is_no_fork(ready, monkeypatch):
    folder = partial(stage_client._folder, ready.process.pid, False, os.environ)
    before = folder()
    for name in ("DVC_STAGE", "PWD"):
        monkeypatch.setenv(name, "another")
        assert folder() == before
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert folder() != before
    monkeypatch.undo()
    assert folder() == before
    monkeypatch.setattr(stage_client, "__file__", __file__)  # other code
    assert folder() != before


# Told a line, runs a stage below a shell in a group of its own, as several dvc side by side do, and says what it said.
_SEVERAL = """
import os, subprocess, sys
from gbaseg.runtime.stage_client import SHARED_BY, start_for_all
if sys.argv[1:]:
    start_for_all(sys.argv[1], {**os.environ, SHARED_BY: str(os.getpid())})
for command in sys.stdin:
    stage = subprocess.Popen(["sh", "-c", command], process_group=0, stderr=subprocess.PIPE, text=True)
    print(repr(stage.communicate()[1]), flush=True)
"""


@pytest.mark.parametrize("before", [[], ["phantom"]], ids=["of the first stage", "before it"])
def test_several_dvc_side_by_side_have_one_server_that_ends_with_what_runs_them(tmp_path, before):
    if not stage_client._is_possible(os.environ):
        pytest.skip("a machine with a GPU has no server of stages")
    temporary = Path(tempfile.mkdtemp(prefix="t"))
    environment = {**os.environ, "TMPDIR": str(temporary), "DVC_STAGE": "a stage"}
    environment.pop(SWITCH, None)
    several = subprocess.Popen(
        [sys.executable, "-c", _SEVERAL, *before],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip

    def run():
        several.stdin.write(f"{stage_client.SHARED_BY}={several.pid} {GBASEG.removeprefix('exec ')} outlook; exit $?\n")
        several.stdin.flush()
        return several.stdout.readline()

    def servers():
        return {path: path.stat().st_mtime_ns for path in temporary.glob("gbaseg-stages-*")}

    try:
        said = run() if not before else ""
        wait_for(lambda: any(_listens(path / "socket") for path in servers()))
        [(server, made)] = servers().items()
        assert server.name.startswith(f"gbaseg-stages-{several.pid}-")
        again = run()
        assert "params.yaml" in again and again == (said or again) and servers() == {server: made}
    finally:
        several.kill()
        several.communicate()
    wait_for(lambda: not servers())
    shutil.rmtree(temporary)


def test_no_server_where_it_is_switched_off_or_a_gpu_is_there(ready, monkeypatch, tmp_path):
    ready.run(f"{GBASEG} outlook", **{SWITCH: "0", "OMP_NUM_THREADS": "7"})
    assert len(list(ready.temporary.glob("gbaseg-stages-*"))) == 1
    assert stage_client._is_possible(os.environ)
    monkeypatch.setattr(stage_client, "_OF_GPUS", (str(tmp_path),))
    assert not stage_client._is_possible(os.environ)


@pytest.mark.parametrize(("signalled", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_what_the_caller_is_told_the_stage_hears(at_work, signalled, code):
    at_work.caller.send_signal(signalled)
    ended, _, err = at_work.result()
    assert ended == code and "the same command begins this stage anew" in err, err
    assert gone(at_work.at_work)


def test_a_stage_that_is_killed_is_its_caller_s_end(at_work):
    at_work.at_work.kill()
    assert at_work.result()[0] == -signal.SIGKILL
    assert at_work.run(f"{GBASEG} outlook") == at_work.first


def test_a_caller_that_is_killed_is_its_stage_s_end(at_work):
    at_work.caller.kill()
    assert at_work.result()[0] == -signal.SIGKILL
    wait_for(lambda: gone(at_work.at_work))


def test_a_server_that_is_killed_is_said_and_ends_the_stage(alone):
    alone.server().kill()
    code, _, err = alone.result()
    assert code == 1 and SWITCH in err and "Traceback" not in err
    wait_for(lambda: gone(alone.at_work))
    # The next stage runs by itself.
    assert alone.run(f"{GBASEG} outlook") == alone.first
    for left in alone.servers():
        shutil.rmtree(left)


def test_all_ends_with_dvc(alone):
    server = alone.server()
    alone.process.kill()
    wait_for(lambda: gone(server) and gone(alone.at_work) and gone(alone.caller))
    assert not alone.servers()


def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path, monkeypatch):
    left = tmp_path / "gbaseg-stages-1-0"
    left.mkdir()
    os.utime(left, (0, 0))
    young = tmp_path / "gbaseg-stages-2-0"
    young.mkdir()
    for folder in (left, young):
        stage_client._clear(folder)
    assert not left.exists() and young.exists()
