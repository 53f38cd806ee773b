"""The table of docs/unusual_inputs.md, from the marks of the tests: `python tests/faults/unusual_inputs.py`.

A test of a malformed or unusual input is marked `@pytest.mark.unusual(group, input, said)`, three texts as they stand
in the table; a parameter of a test by `pytest.param(..., marks=pytest.mark.unusual(...))`. The source is read, not run.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "unusual_inputs.md"
BEGIN = "<!-- rows: python tests/faults/unusual_inputs.py -->\n"


class Row(NamedTuple):
    """One input: the heading it stands under, what it is, what is said or done."""

    group: str
    input: str
    said: str


def rows() -> list[Row]:
    """Every mark of every test, in the order of files and lines."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "unusual(" not in text:
            continue  # most of them, and parsing is what takes long
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        for node in sorted(calls, key=lambda call: call.lineno):
            if isinstance(node.func, ast.Attribute) and node.func.attr == "unusual":
                found.append(Row(*(ast.literal_eval(argument) for argument in node.args)))
    return found


def table(found: list[Row]) -> str:
    """Markdown: a heading and a table a group."""
    groups = defaultdict(list)
    for row in found:
        groups[row.group].append(row)
    parts = []
    for group in sorted(groups):
        lines = [f"| {row.input} | {row.said} |" for row in groups[group]]
        parts.append("\n".join([f"## {group}", "", "| input | what is said or done |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


def page() -> str:
    """The page as it should be: its own words, then the table."""
    words, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{words}{BEGIN}\n{table(rows())}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
