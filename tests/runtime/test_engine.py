"""Tasks side by side: order, failures, threads."""

import os
import time

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime.engine import WORKERS, Task, TaskFailed, run, threads_for, workers_for


def square(value):
    time.sleep(0.02 * (3 - value % 3))
    return value * value


def threads():
    import torch

    return os.environ["OMP_NUM_THREADS"], torch.get_num_threads()


def threads_asked():
    return os.environ["OMP_NUM_THREADS"]


def fail():
    raise ValueError("the seventh seal")


def mistake():
    raise UserError("params.yaml: no")


def write_and_wait(path):
    time.sleep(0.5)
    path.write_text("whole")


def test_results_come_in_the_order_of_the_tasks(monkeypatch):
    monkeypatch.setenv(WORKERS, "2")
    assert run([Task(f"square {n}", square, {"value": n}) for n in range(6)]) == [0, 1, 4, 9, 16, 25]


def test_a_worker_has_one_thread(monkeypatch):
    monkeypatch.setenv(WORKERS, "2")
    assert run([Task("a", threads), Task("b", threads)]) == [("1", 1)] * 2


def test_few_long_tasks_share_the_cores_whatever_the_number_of_workers(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setenv(WORKERS, "1")
    assert run([Task("fold 0", threads_asked), Task("fold 1", threads_asked)], deal_cores=True) == ["3"] * 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [threads_for(tasks) for tasks in (1, 5, 20)] == [8, 1, 1]


def test_a_failure_names_its_task_and_others_finish(monkeypatch, tmp_path):
    monkeypatch.setenv(WORKERS, "2")
    path = tmp_path / "other"
    with pytest.raises(TaskFailed, match=r"(?s)fold 3 failed.*the seventh seal"):
        run([Task("fold 3", fail), Task("fold 4", write_and_wait, {"path": path})])
    assert path.read_text() == "whole"


def test_a_users_mistake_stays_one(monkeypatch):
    monkeypatch.setenv(WORKERS, "2")
    with pytest.raises(UserError, match=r"params\.yaml: no"):
        run([Task("a", mistake), Task("b", square, {"value": 1})])


def test_exclusive_tasks_stay_in_this_process(monkeypatch):
    monkeypatch.delenv(WORKERS, raising=False)
    assert run([Task("a", os.getpid), Task("b", os.getpid)], exclusive=True) == [os.getpid()] * 2


def test_number_of_workers(monkeypatch):
    monkeypatch.setenv(WORKERS, "8")
    assert workers_for(3) == 3
    monkeypatch.setenv(WORKERS, "none")
    with pytest.raises(UserError, match="GBASEG_WORKERS=none"):
        workers_for(3)
