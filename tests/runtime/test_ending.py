"""A process that is asked to end does so, also where Python lets no exception out."""

import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.processes
# Each ends itself; what it prints last says where it was.
SWALLOWED = """
import os, signal, time
from gbaseg.runtime.ending import on_signals
class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)  # the handler runs here
with on_signals():
    late = Late()
    del late
    print("swallowed", flush=True)
    time.sleep(20)
"""
PUT_OFF = """
import os, signal, time
from gbaseg.runtime import ending
ending.GRACE_S = 1.0
with ending.on_signals(), ending.put_off() as asked:
    os.kill(os.getpid(), signal.SIGTERM)
    assert asked()
    print("put off", flush=True)
    {then}
"""
BUSY = """
import os, signal, time
from gbaseg.runtime import ending
ending.LAST_S = 1.0
with ending.on_signals():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)
    finally:
        print("putting away", flush=True)
        time.sleep(20)
"""
# The wait is over, and the lock that it gave back not yet taken again.
BETWEEN = """
import signal, threading
from gbaseg.runtime.ending import on_signals
class Lock:
    def __init__(self):
        self.lock, self.waits = threading.Lock(), False
    def acquire(self, *args):
        if self.waits:
            self.waits = False
            print("between", flush=True)
            signal.raise_signal(signal.SIGTERM)
        return self.lock.acquire(*args)
    def release(self):
        self.lock.release()
    def __enter__(self):
        self.lock.acquire()
    def __exit__(self, *_):
        self.lock.release()
lock = Lock()
event = threading.Event()
event._cond = threading.Condition(lock)
with on_signals():
    try:
        threading.Timer(0.1, lambda: setattr(lock, "waits", True)).start()
        while True:
            event.wait(0.2)
    finally:
        assert lock.lock.acquire(timeout=1), "held for ever"
"""
# As a library that says all failures in its own words.
REPLACED = """
import os, signal, time
from gbaseg.runtime.ending import on_signals
with on_signals():
    try:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(20)
        finally:
            {}["its own"]
    except KeyError as error:
        print("replaced", flush=True)
        raise ValueError("did not work") from None
"""


def run(program):
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert time.monotonic() - started < 12
    return done.returncode, done.stdout.strip(), done.stderr


def test_an_end_that_a_destructor_swallows_comes_again():
    assert run(SWALLOWED) == (143, "swallowed", "")


def test_an_end_is_put_off_for_a_while_only():
    assert run(PUT_OFF.format(then="time.sleep(20)")) == (143, "put off", "")
    assert run(PUT_OFF.format(then="ending.end()")) == (143, "put off", "")
    assert run(PUT_OFF.format(then="pass")) == (143, "put off", "")


def test_who_does_not_get_done_is_ended_all_the_same():
    assert run(BUSY) == (143, "putting away", "")


def test_no_lock_is_left_in_between():
    assert run(BETWEEN) == (143, "between", "")


def test_what_a_library_makes_of_an_end_is_still_one():
    assert run(REPLACED) == (143, "replaced", "")
