"""Values of params.yaml as `dvc exp run -S KEY=VALUE` takes them: hydra's grammar, which has its own quotes."""

from __future__ import annotations

import difflib
import json
import re
import shlex
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gbaseg import params
from gbaseg.errors import UserError, some_of
from gbaseg.text_file import read_yaml

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


def settings_with(overrides: Sequence[str]) -> dict[str, Any]:
    """params.yaml with settings (`KEY=VALUE`) as `dvc exp run -S` would write them, checked.

    Raises:
        UserError: they are none of params.yaml, or it does not allow them.
    """
    content = overridden(read_yaml(params.PATH), overrides)
    params.check(content, f"params.yaml with {', '.join(overrides)}")
    return content


def overridden(known: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The same with settings (`KEY=VALUE`) as `dvc exp run -S` would write them.

    Args:
        known: content of params.yaml.

    Raises:
        UserError: they are none of it.
    """
    from dvc.utils.hydra import apply_overrides

    with tempfile.TemporaryDirectory() as folder:
        # As JSON, which DVC reads and writes in a quarter of the time: the comments are not wanted.
        copy = Path(folder) / f"{params.PATH.stem}.json"
        copy.write_text(json.dumps(known), encoding="utf-8")
        try:
            apply_overrides(str(copy), list(overrides))
        except Exception as error:  # hydra's own errors, of many classes
            faults = [fault for override in overrides if (fault := _override_fault(override, known))]
            raise UserError(
                "\n".join(faults or [f"{', '.join(overrides)}: not settings of params.yaml: {error}"])
            ) from error
        content: dict[str, Any] = json.loads(copy.read_text(encoding="utf-8"))
    return content


def _override_fault(override: str, known: Mapping[str, Any]) -> str:
    """What is wrong with one `KEY=VALUE`, and how to write it; empty where it is right by itself.

    Args:
        override: as `dvc exp run -S` takes it, in hydra's grammar.
        known: content of params.yaml.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, _, value = override.partition("=")
    if key.startswith(("+", "~")):
        return f"--set {override}: params.yaml has its keys, none is added or taken away; allowed: KEY=VALUE"
    section: Any = known
    for part in key.split("."):
        here = range(len(section)) if isinstance(section, list) else section if isinstance(section, Mapping) else ()
        names = [str(name) for name in here]
        if part not in names:
            close = difflib.get_close_matches(part, names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            return f"--set {override}: {key}: no such key{hint} (allowed there: {', '.join(names) or 'nothing'})"
        section = section[int(part)] if isinstance(section, list) else section[part]
    try:
        one_value = not OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException:
        one_value = False
    if one_value:
        return ""
    right = shlex.quote(f"{key}={in_hydra(value)}")
    return f"--set {override}: such a value stands in quotes of its own: -S {right}; a list: -S '{key}=[A,B]'"


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
