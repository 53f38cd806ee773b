"""Memory that a process has freed stays with it."""

import subprocess
import sys

import pytest

# Pages that the system had to give: 64 MiB are 16,384 of them.
SCRIPT = """
import resource, sys
import numpy as np
from gbaseg.runtime.memory import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
def fill():
    np.empty(1 << 26, np.uint8).fill(1)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages(how):
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_was_freed_is_given_again():
    # Large pages, where the system has them, make the count smaller, not zero.
    assert _pages("keep") < 100 < _pages("default")
