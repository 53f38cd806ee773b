"""Tasks side by side: order, failures, threads."""

import itertools
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime import engine
from gbaseg.runtime.ending import Ended
from gbaseg.runtime.engine import GPU_TASKS, WORKERS, Task, TaskFailed, run, threads_for, workers_for
from gbaseg.runtime.engine.task import attempt

pytestmark = pytest.mark.processes
FOUR = threading.Barrier(4)


def square(value):
    time.sleep(0.02 * (3 - value % 3))
    return value * value


def threads():
    import torch

    return os.environ["OMP_NUM_THREADS"], torch.get_num_threads()


def threads_asked():
    return os.environ["OMP_NUM_THREADS"]


def visible_gpu(folder=None, workers=1):
    """Waits until as many workers are at it, so that none has all the tasks."""
    if folder is not None:
        (folder / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(folder.iterdir())) < workers and time.monotonic() < deadline:
            time.sleep(0.05)
    return os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("GBASEG_DEVICE")


def fail():
    raise ValueError("the seventh seal")


def mistake():
    raise UserError("params.yaml: no")


def fail_of_an_end():
    try:
        raise Ended(signal.SIGTERM)
    except Ended:
        raise RuntimeError("release unlocked lock") from None


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


def test_an_end_that_looks_like_a_failure_is_no_outcome():
    with pytest.raises(Ended) as ended:
        attempt(Task("fold 3", fail_of_an_end))
    assert ended.value.status == 143
    assert attempt(Task("fold 3", mistake))[0] is not None


def test_exclusive_tasks_stay_in_this_process(monkeypatch):
    monkeypatch.delenv(WORKERS, raising=False)
    assert run([Task("a", os.getpid), Task("b", os.getpid)], exclusive=True) == [os.getpid()] * 2


def test_number_of_workers(monkeypatch):
    monkeypatch.setenv(WORKERS, "8")
    assert workers_for(3) == 3
    monkeypatch.setenv(WORKERS, "none")
    with pytest.raises(UserError, match="GBASEG_WORKERS=none"):
        workers_for(3)
    assert workers_for(3, exclusive=True) == 1  # another number
    monkeypatch.setenv(GPU_TASKS, "0")
    with pytest.raises(UserError, match="GBASEG_GPU_TASKS=0"):
        workers_for(3, exclusive=True)


def where(seconds):
    time.sleep(seconds)
    return os.getpid()


def meet():
    """Waits until three others are at it."""
    FOUR.wait(60)
    return os.getpid()


def test_tasks_of_a_moment_run_in_threads_of_this_process_side_by_side(monkeypatch):
    monkeypatch.setenv(WORKERS, "4")
    monkeypatch.setattr(engine.local, "_START_S", 60.0)
    assert run([Task(f"{n}", meet) for n in range(12)], light=True) == [os.getpid()] * 12
    with pytest.raises(TaskFailed, match=r"(?s)fold 3 failed.*the seventh seal"):
        run([Task("fold 3", fail), Task("fold 4", where, {"seconds": 0.1})], light=True)


def test_those_that_take_longer_than_processes_take_to_start_go_to_processes(monkeypatch):
    monkeypatch.setenv(WORKERS, "2")
    times = itertools.chain([0.0] * 4, itertools.repeat(engine.local._START_S + 1.0))  # at the start, of three tasks
    monkeypatch.setattr(engine.local, "time", SimpleNamespace(monotonic=lambda: next(times)))
    found = run([Task(f"{n}", where, {"seconds": 0.1}) for n in range(8)], light=True)
    assert found[:3] == [os.getpid()] * 3 and os.getpid() not in found[3:] and len(found) == 8
    monkeypatch.setenv(WORKERS, "1")
    assert run([Task(f"{n}", where, {"seconds": 0.1}) for n in range(4)], light=True) == [os.getpid()] * 4


@pytest.fixture
def machine_with_gpus(monkeypatch):
    """As torch would show it; tasks run in workers, which see the variables alone."""
    import torch

    def show(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    monkeypatch.delenv(WORKERS, raising=False)
    monkeypatch.delenv(GPU_TASKS, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("GBASEG_DEVICE", raising=False)
    return show


@pytest.mark.parametrize(("given", "expected"), [(None, {"0", "1"}), ("GPU-5f,GPU-9c", {"GPU-5f", "GPU-9c"})])
def test_folds_are_dealt_out_among_the_gpus(machine_with_gpus, monkeypatch, tmp_path, given, expected):
    machine_with_gpus(2)
    if given:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert workers_for(5, exclusive=True) == 2
    wait = {"folder": tmp_path, "workers": 2}
    places = run([Task(f"fold {n}", visible_gpu, wait) for n in range(3)], exclusive=True)
    assert {gpu for gpu, _ in places} == expected


def test_one_gpu_or_a_named_one_is_not_shared_out(machine_with_gpus, monkeypatch):
    machine_with_gpus(1)
    assert workers_for(5, exclusive=True) == 1
    assert run([Task("a", visible_gpu)], exclusive=True) == [(None, None)]  # in this process
    machine_with_gpus(4)
    monkeypatch.setenv("GBASEG_DEVICE", "cuda:2")
    assert workers_for(5, exclusive=True) == 1
    monkeypatch.setenv(WORKERS, "2")
    assert workers_for(5, exclusive=True) == 1  # of cores alone
    monkeypatch.setenv(GPU_TASKS, "2")
    assert run([Task("a", visible_gpu), Task("b", visible_gpu)], exclusive=True) == [(None, "cuda:2")] * 2


def workers_asked():
    return os.environ[WORKERS]


def test_tasks_that_share_gpus_share_the_cores_too(machine_with_gpus, monkeypatch):
    machine_with_gpus(2)
    monkeypatch.setenv(GPU_TASKS, "2")
    assert workers_for(9, exclusive=True) == 4  # two a GPU
    monkeypatch.setenv(WORKERS, "6")
    assert run([Task("a", workers_asked), Task("b", workers_asked)], exclusive=True) == ["3", "3"]
