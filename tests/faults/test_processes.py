"""However a stage ends, nothing of it goes on: workers, what they have forked, and the stage under dvc."""

import os
import platform
import re
import signal
import subprocess
import sys
import uuid
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import psutil
import pytest

_spec = spec_from_file_location("processes", Path(__file__).with_name("processes.py"))
assert _spec and _spec.loader
processes = module_from_spec(_spec)
_spec.loader.exec_module(processes)

pytestmark = pytest.mark.processes
PROGRAM = [sys.executable, str(Path(__file__).with_name("stage_program.py"))]


@pytest.fixture
def mark():
    mark = uuid.uuid4().hex
    yield mark
    processes.kill_all(mark)


def pids(folder, kind):
    return [int(path.name.split("-")[1]) for path in folder.glob(f"{kind}-*")]


def begin(folder, mark, command=None, **options):
    """Start the stage and wait until its two workers and their two forks are at work."""
    process = processes.start(command or [*PROGRAM, str(folder)], folder, mark, **options)
    processes.wait_for(
        lambda: (len(pids(folder, "worker")), len(pids(folder, "fork"))) == (2, 2) or process.poll() is not None,
        "workers at work",
    )
    assert process.poll() is None, process.stderr.read()
    return process


def ended(process, mark, seconds):
    """Exit code and what was said; all of its processes are gone after so long."""
    said = process.communicate(timeout=seconds)[1]
    processes.wait_for(lambda: not processes.family_of(mark), "processes left", seconds=2.0)
    assert "Traceback" not in said
    return process.returncode, said


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(
            signal.SIGTERM, 143, marks=pytest.mark.unusual("Interruptions", "SIGTERM to a stage", "exit 143, one line")
        ),
        pytest.param(
            signal.SIGINT,
            130,
            marks=pytest.mark.unusual("Interruptions", "Ctrl-C", "exit 130, what goes on"),
        ),
        pytest.param(
            signal.SIGHUP, 129, marks=pytest.mark.unusual("Interruptions", "a closed terminal", "exit 129, one line")
        ),
    ],
)
def test_a_stage_that_is_asked_to_end_says_what_goes_on_from_where(tmp_path, mark, number, code):
    process = begin(tmp_path, mark)
    process.send_signal(number)
    status, said = ended(process, mark, 20)
    assert status == code
    [line] = [line for line in said.splitlines() if "ended by" in line]
    name = re.search(r"goes on from what is done in \.scratch/(\S+)", line)[1]
    assert (tmp_path / ".scratch" / name / "work/checkpoint").is_file()
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".scratch/*.lock"))


@pytest.mark.unusual("Interruptions", "Ctrl-C that reaches every process at once", "one line, no traceback")
def test_ctrl_c_to_the_whole_group_gives_one_line(tmp_path, mark):
    process = begin(tmp_path, mark, start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)
    status, said = ended(process, mark, 20)
    assert (status, said.count("ended by SIGINT")) == (130, 1)


@pytest.mark.unusual("Interruptions", "SIGTERM to every process of a job at once", "exit 143, nothing left")
def test_a_batch_system_that_signals_every_process_gives_one_line(tmp_path, mark):
    process = begin(tmp_path, mark, start_new_session=True)
    os.killpg(process.pid, signal.SIGTERM)
    status, said = ended(process, mark, 20)
    assert (status, said.count("ended by SIGTERM")) == (143, 1)


@pytest.mark.unusual("Interruptions", "nohup, then a closed terminal", "goes on")
def test_what_nohup_starts_goes_on_when_the_terminal_is_closed(tmp_path, mark):
    process = begin(tmp_path, mark, ["nohup", *PROGRAM, str(tmp_path), "1.5"], start_new_session=True)
    os.killpg(process.pid, signal.SIGHUP)
    assert ended(process, mark, 20)[0] == 0
    assert (tmp_path / "out").read_text() == "done"


@pytest.mark.unusual("Interruptions", "the stage's process ended by the out-of-memory killer", "no worker is left")
def test_no_worker_outlives_a_killed_stage(tmp_path, mark):
    process = begin(tmp_path, mark)
    process.kill()
    process.wait()
    processes.wait_for(lambda: not processes.family_of(mark), "workers left", seconds=3.0)
    # Nothing blocks the next run, which clears what the killed one has left.
    again = processes.start([*PROGRAM, str(tmp_path), "0"], tmp_path, mark)
    assert ended(again, mark, 30)[0] == 0
    assert (tmp_path / "out").read_text() == "done"
    assert list((tmp_path / ".scratch").iterdir()) == []


@pytest.mark.unusual("Interruptions", "a worker ended by the out-of-memory killer", "said, exit 1; the others end too")
@pytest.mark.parametrize("which", [min, max])
def test_a_killed_worker_is_said(tmp_path, mark, which):
    process = begin(tmp_path, mark)
    os.kill(which(pids(tmp_path, "worker")), signal.SIGKILL)
    status, said = ended(process, mark, 20)
    assert status == 1
    assert "ended from outside (out of memory?" in said


@pytest.fixture
def under_dvc(tmp_path, mark):
    """The stage under `dvc repro`."""

    def begin_repro(cmd, **options):
        (tmp_path / "dvc.yaml").write_text(f"stages:\n  x:\n    cmd: {cmd}\n    outs: [out]\n")
        subprocess.run(["dvc", "init", "--no-scm", "-q"], cwd=tmp_path, env=processes.environment(mark), check=True)
        return begin(tmp_path, mark, ["dvc", "repro"], **options)

    return begin_repro


@pytest.mark.parametrize(("number", "shell"), [(signal.SIGTERM, "a shell between"), (signal.SIGKILL, "direct")])
@pytest.mark.unusual("Interruptions", "SIGTERM or SIGKILL to dvc repro alone", "the stage ends with it, through shells")
def test_the_stage_ends_with_dvc(tmp_path, mark, under_dvc, number, shell):
    command = f"{' '.join(PROGRAM)} {tmp_path}"
    process = under_dvc(command if shell == "direct" else f"({command}; true); true")
    process.send_signal(number)
    process.wait()
    processes.wait_for(lambda: not processes.family_of(mark), "an orphan", seconds=10.0)


@pytest.mark.unusual(
    "Interruptions", "dvc killed while its stage is starting", "the stage ends before it does anything"
)
def test_the_stage_ends_with_a_dvc_that_is_gone_already(tmp_path, mark):
    script = f"DVC_STAGE=x {' '.join(PROGRAM)} {tmp_path} 60 & exit 0"
    shell = processes.start(["sh", "-c", script], tmp_path, mark)
    assert shell.wait() == 0
    said = shell.communicate(timeout=40)[1]
    processes.wait_for(lambda: not processes.family_of(mark), "an orphan", seconds=2.0)
    assert "ended by SIGTERM" in said and not (tmp_path / "out").exists()


@pytest.mark.unusual("Interruptions", "dvc repro whose own parent ends", "goes on")
def test_what_started_dvc_may_end(tmp_path, mark, under_dvc):
    # The shell ends at once; dvc goes on without it.
    first = under_dvc(f"{' '.join(PROGRAM)} {tmp_path} 2")
    processes.kill_all(mark)
    first.wait()  # DVC takes a zombie for alive, and its lock for held
    for path in tmp_path.glob("*-*"):
        path.unlink()
    shell = processes.start(["sh", "-c", "dvc repro >/dev/null 2>&1 & exit 0"], tmp_path, mark)
    assert shell.wait() == 0
    processes.wait_for((tmp_path / "out").exists, "the stage's output")
    processes.wait_for(lambda: not processes.family_of(mark), "dvc ends")
    assert (tmp_path / "dvc.lock").is_file()


@pytest.mark.unusual("Interruptions", "the same stage again while it is under way", "process N on HOST is at this")
def test_a_second_run_of_the_same_is_refused(tmp_path, mark):
    process = begin(tmp_path, mark)
    second = processes.start([*PROGRAM, str(tmp_path)], tmp_path, mark)
    said = second.communicate(timeout=30)[1]
    assert second.returncode == 1
    assert f"process {process.pid} on {platform.node()} is at this" in said
    assert process.poll() is None
    assert psutil.pid_exists(process.pid)
