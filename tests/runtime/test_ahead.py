"""One item is made ready while another is worked on, and no more than one."""

import threading
from contextlib import closing

import pytest

from gbaseg.runtime.ahead import one_ahead


def test_items_come_in_order_each_ready():
    assert [(item, ready()) for item, ready in one_ahead(lambda item: item * 2, [1, 2, 3])] == [(1, 2), (2, 4), (3, 6)]
    assert list(one_ahead(str, [])) == []


def test_the_next_is_made_ready_meanwhile_and_the_one_after_it_is_not():
    begun = {number: threading.Event() for number in range(4)}

    def make(number):
        begun[number].set()
        return number

    with closing(one_ahead(make, list(range(4)))) as items:
        for number, ready in items:
            assert ready() == number
            if number < 3:
                assert begun[number + 1].wait(10)
            assert not any(begun[later].is_set() for later in range(number + 2, 4))


def test_what_fails_is_that_items_own():
    def make(item):
        if item == 2:
            raise ValueError("two")
        return item

    done = []
    for item, ready in one_ahead(make, [1, 2, 3]):
        if item == 2:
            with pytest.raises(ValueError, match="two"):
                ready()
        else:
            done.append(ready())
    assert done == [1, 3]


def test_what_is_left_off_is_not_begun():
    begun = []
    with closing(one_ahead(begun.append, list(range(9)))) as items:
        next(items)
    assert len(begun) <= 2
