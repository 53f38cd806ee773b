"""docs/unusual_inputs.md is what the tests say."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("unusual_inputs", Path(__file__).with_name("unusual_inputs.py"))
assert _spec and _spec.loader
unusual_inputs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(unusual_inputs)


def test_the_page_is_made_of_the_tests_marks():
    assert unusual_inputs.PAGE.read_text(encoding="utf-8") == unusual_inputs.page(), (
        "python tests/faults/unusual_inputs.py makes it anew"
    )


def test_no_input_stands_there_twice():
    inputs = [(row.group, row.input) for row in unusual_inputs.rows()]
    assert len(inputs) == len(set(inputs))
