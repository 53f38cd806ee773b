"""Times in words."""

import pytest

from gbaseg.runtime.durations import about, took


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (3599.6, "1 h 0 min"),
        (7515, "2 h 5 min"), (360_000, "100 h 0 min"),
    ],
)  # fmt: skip
def test_what_something_took(seconds, words):
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 5 s"), (18, "about 20 s"), (54, "about 55 s"), (58, "about 1 min"), (821, "about 14 min"),
        (5000, "about 83 min"), (5400, "about 1.5 h"), (100_000, "about 28 h"), (260_000, "about 3.0 days"),
        (2e6, "about 23 days"),
    ],
)  # fmt: skip
def test_what_something_may_take(seconds, words):
    assert about(seconds) == words
