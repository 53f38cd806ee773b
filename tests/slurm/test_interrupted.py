"""Jobs of a real SLURM whose driver is ended or killed: none is left, nothing is lost, and nothing done twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime.engine import Task, run
from gbaseg.runtime.engine.calls import Call
from gbaseg.runtime.place import placed
from gbaseg.runtime.scratch import atomic_outputs

pytestmark = pytest.mark.processes
DRIVER = Path(__file__).with_name("driver.py")


def checkpoint(folder):
    path = folder / "checkpoint"
    return int(path.read_text()) if path.exists() else 0


@pytest.fixture
def drive(site):
    """Starts `driver.py`; it is gone when the test is."""
    started = []

    def start(steps=20):
        with (site.folder / "driver.log").open("a") as log:
            process = subprocess.Popen([sys.executable, DRIVER, str(steps)], stderr=log, stdout=log)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def of_driver(site, number):
    return site.folder / ".scratch" / "count-1" / "work" / f"fold {number}"


def test_a_task_that_never_gets_further_is_given_up(site, monkeypatch):
    import stubs

    begin = Call.begin

    def as_if_begun_before(call, tasks, record):
        begin(call, tasks, record)
        call.begin_pack(0, {"job": "1", "node": "n1", "at": [0, 0]})
        for node in ("n2", "n1", "n2", "n1"):
            call.begin_pack(0, {"job": "1", "node": node, "at": [0, 3]})

    monkeypatch.setattr(Call, "begin", as_if_begun_before)
    # The last four began, like the one before them, at 3 steps, and now at none; the task itself is not called again.
    with site.stage(), pytest.raises(UserError, match=r"die: begun 6 times \(on n\d, .*engine.yaml: time"):
        run([Task("die", stubs.die)], deal_cores=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_driver_that_is_asked_to_end_leaves_no_job_and_the_next_one_goes_on(site, drive, number):
    process = drive()
    site.until(lambda: checkpoint(of_driver(site, 1)) >= 5, "both tasks run")
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert site.cluster.jobs() == []
    assert "its jobs are cancelled" in (site.folder / "driver.log").read_text()
    reached = checkpoint(of_driver(site, 1))
    assert drive().wait(60) == 0
    _, (done, starts) = json.loads(Path("result.json").read_text())
    assert done == 80 and [int(start.split()[1]) for start in starts] == [0, reached]


def test_a_killed_driver_finds_its_jobs_and_submits_nothing_twice(site, drive):
    process = drive()
    # The first fold ends while nobody waits for it; the second is running when the next driver comes.
    site.until(lambda: checkpoint(of_driver(site, 1)) >= 5, "both tasks run")
    process.kill()
    process.wait()
    site.until(lambda: len(site.cluster.jobs()) == 1, "the first fold is done")
    assert drive().wait(60) == 0
    results = json.loads(Path("result.json").read_text())
    assert [(done, len(starts)) for done, starts in results] == [(20, 1), (80, 1)]
    assert site.submissions() == 1 and not Path(".scratch/count-1").exists()
    assert "of a run before are found" in (site.folder / "driver.log").read_text()


def test_a_killed_drivers_jobs_are_cancelled_where_the_next_run_stays_on_this_machine(site, drive):
    process = drive()
    site.until(lambda: checkpoint(of_driver(site, 1)) >= 5, "both tasks run")
    process.kill()
    process.wait()
    with placed(None), atomic_outputs("count-1", "result.json") as scratch:
        assert site.cluster.jobs() == []
        scratch.output("result.json").touch()


def test_changed_tasks_of_the_same_names_do_not_take_the_results_of_others(site, drive):
    process = drive(1)
    site.until(lambda: len(list(site.jobs.glob("*/outcomes/[0-9]"))) >= 1, "one is done")
    process.kill()
    process.wait()
    assert drive(3).wait(60) == 0
    assert [done for done, _ in json.loads(Path("result.json").read_text())] == [3, 12]


def test_a_job_that_somebody_else_cancels_is_said(site, drive):
    process = drive()
    site.until(lambda: checkpoint(of_driver(site, 1)) >= 5, "both tasks run")
    site.cluster.said("scancel", next(line.split()[0] for line in site.cluster.jobs() if "_1" in line))
    assert process.wait(60) == 1
    log = (site.folder / "driver.log").read_text()
    assert "somebody else has cancelled it" in log and os.environ["SLURM_CONF"] not in log
