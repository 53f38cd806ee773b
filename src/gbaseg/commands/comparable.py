"""Runs that may stand in one table: what their params.yaml differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gbaseg.errors import UserError

# What runs that are compared may differ in; everything else has to be equal, or a table would mix its effect in.
AXES = ("evaluation.oracle", "seed", "augmentation.arm", "translation.mode", "translation.centre", "translation.run")

# In a study arms have copies of other kinds, too: a row is an arm with all that it sets.
STUDY_AXES = (*AXES, "augmentation.rules", "augmentation.singan.slice_centre", "survey.lambdas", "survey.contrasts")


def check_comparable(settings: Mapping[str, Mapping[str, Any]], axes: Sequence[str] = AXES) -> None:
    """Whether runs differ in `axes` alone.

    Args:
        settings: name of a run -> its params.yaml.
        axes: keys.

    Raises:
        UserError: names every other key that differs.
    """
    (first, reference), *others = settings.items()
    faults = [
        difference
        for name, content in others
        for difference in differences(reference, content, (f"in {first}", f"in {name}"), axes)
    ]
    if faults:
        studied = "; `gbaseg study --tables` takes arms of other copies" if axes == AXES else ""
        raise UserError(
            "\n".join(
                [
                    f"the experiments differ in more than {', '.join(axes)}; name those to be compared{studied}:",
                    *(f"  - {fault}" for fault in faults[:20]),
                    *([f"  - and {len(faults) - 20} more"] if len(faults) > 20 else []),
                ]
            )
        )


def differences(
    first: Mapping[str, Any], second: Mapping[str, Any], words: tuple[str, str], but: Sequence[str] = ()
) -> list[str]:
    """What differs between two params.yaml: `key: 1 WORD, 2 WORD`; keys in `but` may differ."""
    mine, theirs = dict(_flatten(first)), dict(_flatten(second))
    return [
        f"{key}: {mine.get(key)} {words[0]}, {theirs.get(key)} {words[1]}"
        for key in sorted(mine.keys() | theirs.keys())
        if key not in but and mine.get(key) != theirs.get(key)
    ]


def _flatten(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, content
