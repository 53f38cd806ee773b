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
