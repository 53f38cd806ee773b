"""Values of params.yaml as `dvc exp run -S KEY=VALUE` takes them: hydra's grammar, which has its own quotes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from gbaseg.errors import UserError
from gbaseg.evaluation.text import some_of

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


def check_further(extra: Sequence[str], own: Mapping[str, Sequence[str]]) -> None:
    """Whether settings of every experiment leave what each is named for.

    Args:
        extra: `KEY=VALUE` each.
        own: name of an experiment -> keys that it sets by itself.

    Raises:
        UserError: keys that are given twice, or that an experiment sets by itself: it would have the name of one and
            the settings of another.
    """
    faults = []
    for key, times in Counter(setting.partition("=")[0] for setting in extra).items():
        if times > 1:
            faults.append(f"--set {key}: {times} times; allowed: once")
        if names := [name for name, keys in own.items() if any(_overlap(key, one) for one in keys)]:
            faults.append(
                f"--set {key}: set by the experiments themselves ({some_of(names, 3)}); leave it out (they start from "
                "params.yaml), or leave them out"
            )
    if faults:
        raise UserError("\n".join(faults))


def _overlap(key: str, other: str) -> bool:
    """Whether one of two keys of params.yaml is the other, or above it."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")
