"""Cases that take turns on a GPU, on a machine without one: the thread that has it is the one that calls."""

import signal
import threading
import time

import pytest

from gbaseg.errors import UserError
from gbaseg.runtime import turns
from gbaseg.runtime.ending import Ended
from gbaseg.runtime.engine import GPU_TASKS, WORKERS
from gbaseg.runtime.turns import beside_gpu, dealt_out, in_turns, on_gpu


class Stage:
    """A case reads, has its turn, and writes; notes who did what and how many were under way."""

    def __init__(self, fails=()):
        self.fails, self.began, self.gpus, self.threads = fails, [], set(), set()
        self.lock, self.under_way, self.most = threading.Lock(), 0, 0

    def gpu(self, case, *, factor):
        self.gpus.add(threading.get_ident())
        if ("gpu", case) in self.fails:
            raise UserError(f"case {case}: its turn")
        return case * factor

    def __call__(self, case):
        with self.lock:
            self.began.append(case)
            self.threads.add(threading.get_ident())
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(0.01 * (3 - case % 3))
        try:
            found = on_gpu(self.gpu, case, factor=10) + on_gpu(self.gpu, 1, factor=case % 2)
            if ("after", case) in self.fails:
                raise ValueError(f"case {case}: after it")
            return found
        finally:
            with self.lock:
                self.under_way -= 1


EXPECTED = [case * 10 + case % 2 for case in range(12)]


def test_results_come_in_order_turns_are_taken_here_and_few_are_under_way():
    stage = Stage()
    assert in_turns(stage, range(12), 3, "cases") == EXPECTED
    assert stage.gpus == {threading.get_ident()} and threading.get_ident() not in stage.threads
    assert stage.most == 3 and sorted(stage.began) == list(range(12))


@pytest.mark.parametrize("kind", ["gpu", "after"])
def test_the_first_failure_in_order_is_raised_and_no_further_case_begins(kind):
    stage = Stage(fails={(kind, 3), (kind, 4), (kind, 11)})
    with pytest.raises((UserError, ValueError), match="case 3: "):
        in_turns(stage, range(12), 3, "cases")
    assert len(stage.began) < 10 and stage.under_way == 0


def test_asked_to_end_nobody_waits_for_a_turn_that_never_comes():
    stage = Stage()

    def ends(case, *, factor):
        raise Ended(signal.SIGTERM)

    stage.gpu = ends
    before = threading.active_count()
    with pytest.raises(Ended):
        in_turns(stage, range(12), 3, "cases")
    assert stage.under_way == 0 and threading.active_count() == before


def test_without_a_gpu_cases_go_one_after_the_other_in_this_thread(monkeypatch):
    monkeypatch.setenv("GBASEG_DEVICE", "cpu")
    monkeypatch.setenv(WORKERS, "4")
    stage = Stage()
    assert beside_gpu(stage, range(12), "cases") == EXPECTED
    assert stage.most == 1 and stage.threads == stage.gpus == {threading.get_ident()}
    assert stage.began == list(range(12))


def test_with_a_gpu_as_many_are_under_way_as_there_are_cores_for(monkeypatch):
    monkeypatch.setattr(turns, "is_gpu", lambda: True)
    for workers, most in (("2", 2), ("1", 1), ("64", 8)):
        monkeypatch.setenv(WORKERS, workers)
        stage = Stage()
        assert beside_gpu(stage, range(12), "cases") == EXPECTED
        assert stage.most == most


def test_an_exception_of_a_turn_keeps_its_own_traceback():
    with pytest.raises(UserError) as raised:
        in_turns(Stage(fails={("gpu", 0)}), range(2), 2, "cases")
    assert {"__call__", "gpu"} <= {entry.name for entry in raised.traceback}


def test_cases_are_dealt_out_in_groups_or_one_for_each_process_with_a_gpu(monkeypatch):
    assert dealt_out("abcdefg", 3, exclusive=False) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert dealt_out("abcdefg", 3, exclusive=True) == [list("abcdefg")]
    monkeypatch.setenv(GPU_TASKS, "2")
    assert dealt_out("abcdefg", 3, exclusive=True) == [list("abcd"), list("efg")]
    assert dealt_out("", 3, exclusive=True) == dealt_out("", 3, exclusive=False) == []
