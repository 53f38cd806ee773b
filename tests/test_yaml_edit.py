"""Values replaced in place in a YAML text."""

import pytest

from gbaseg.yaml_edit import commented, edited


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("a: 1 # why\nb: 2\n", "a: 30\n", "a: 30 # why\nb: 2\n"),
        ("a: [1,\n  2] # why\nb: 2\n", "a: null\n", "a: null # why\nb: 2\n"),
        ("a: 'x: y'\n", 'a: "# no comment" # one\n', 'a: "# no comment"\n'),
        # a list of several lines brings its comments and moves to the key's depth
        ("b: 0\na: [] # why\n", "a:\n- 1 # one\n\n# two\n- 2\n", "b: 0\na: # why\n- 1 # one\n\n# two\n- 2\n"),
        ("a: # why\n  - 1\n  - 2 # two\n# next\nb: 0\n", "a: []\n", "a: [] # why\n# next\nb: 0\n"),
        ("a:\n  - 1\n# next\nb: 0\n", "a:\n    - x:\n        y: 1\n", "a:\n    - x:\n        y: 1\n# next\nb: 0\n"),
        ("a: 1", "a:\n  b: 2", "a:\n  b: 2"),
        ("a: # why\nb: 2\n", "a: 1\n", "a: 1 # why\nb: 2\n"),
        ("a:\nb: 2\n", "a:\n  - 1\n", "a:\n  - 1\nb: 2\n"),
    ],
)
def test_one_value(text, source, expected):
    assert edited(text, source, [("a",)]) == expected


def test_a_block_takes_the_depth_of_its_new_place():
    text = "one:\n    two: 1\n    three: 2\n"
    assert edited(text, "one:\n  two:\n  - 1\n  -\n    a: 2\n", [("one", "two")]) == (
        "one:\n    two:\n    - 1\n    -\n      a: 2\n    three: 2\n"
    )


def test_several_keys_at_once_and_keys_of_the_same_name():
    text = "a: {x: 1, y: 2}\nb: {x: 3}\n"
    assert edited(text, "b: {x: 30}\na: {y: 20, x: 10}\n", [("a", "y"), ("b", "x"), ("a", "x")]) == (
        "a: {x: 10, y: 20}\nb: {x: 30}\n"
    )


def test_other_comments():
    text = "a: 1 # old\nb:\n  c: 'x # y'\n  d: # old\n    - 1 # stays\ne: [1,\n  2] # old\nf: 2"
    comments = {("a",): "one", ("b", "c"): "two", ("b", "d"): "three", ("e",): "four", ("f",): "five"}
    assert commented(text, comments) == (
        "a: 1 # one\nb:\n  c: 'x # y' # two\n  d: # three\n    - 1 # stays\ne: [1,\n  2] # four\nf: 2 # five"
    )
