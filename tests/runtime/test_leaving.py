"""What a program does at its end, and what it leaves out."""

import subprocess
import sys

import pytest

# Of a program: what is told of its end by standard output, and a module's object that Python would take apart.
PROGRAM = """
import atexit, sys, threading, time
from gbaseg.runtime.leaving import run_to_its_end

class Torn:
    def __del__(self, print=print):
        print("taken apart", flush=True)

kept = Torn()
atexit.register(print, "told")
threading.Thread(target=lambda: (time.sleep(0.2), print("waited for"))).start()

def program():
    print("done", end="; ")
    {end}

run_to_its_end(program)
"""


def end_by(end, **options):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end)], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize(("end", "status"), [("sys.exit()", 0), ("sys.exit(0)", 0), ("sys.exit(3)", 3)])
def test_all_is_said_and_nothing_is_taken_apart(end, status):
    done = end_by(end)
    assert (done.returncode, done.stdout, done.stderr) == (status, "done; waited for\ntold\n", "")


@pytest.mark.parametrize(("end", "status"), [("sys.exit('a reason')", 1), ("1 / 0", 1), ("pass", 0)])
def test_any_other_end_is_pythons(end, status):
    done = end_by(end)
    assert done.returncode == status and done.stdout == "done; waited for\ntold\ntaken apart\n"
    assert ("a reason" in done.stderr) == ("reason" in end) and ("ZeroDivisionError" in done.stderr) == ("/" in end)


def test_an_output_that_takes_no_more_is_said():
    """A full disk: status 0 would be a wrong answer."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(end="sys.exit(0)")], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode != 0 and b"No space left" in done.stderr
