"""Values of params.yaml as `dvc exp run -S KEY=VALUE` takes them: hydra's grammar, which has its own quotes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gbaseg.errors import UserError

# What hydra takes for a key of a mapping; it has no quotes for one.
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def in_hydra(value: Any) -> str:
    """A value, such that reading it gives the same value of the same type again.

    Text stands in quotes always: `no`, `1e3` and `a,b` would be something else without. Lists and mappings are written
    in full, whatever they hold.

    Raises:
        UserError: a mapping with a key that the grammar has no word for.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        wrong = [key for key in value if not _KEY.fullmatch(str(key))]
        if wrong:
            raise UserError(f"{', '.join(map(repr, wrong))}: no key of a setting; allowed: letters, digits, _ and -")
        return "{" + ",".join(f"{key}:{in_hydra(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(in_hydra, value)) + "]"
    # A backslash counts as one, but before a quote, and before what would be another key's value.
    quoted = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + ('\\"' if found[2] else ""), str(value))
    return '"' + quoted.replace("${", "\\${") + '"'
