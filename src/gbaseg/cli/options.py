"""Options that several commands share, and what they allow."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


def structures(_: click.Context, __: click.Parameter, value: str) -> dict[str, int]:
    """`VS=1,Cochlea=2` as {"VS": 1, "Cochlea": 2}."""
    found: dict[str, int] = {}
    for part in value.split(","):
        name, number = (text.strip() for text in part.partition("=")[::2])
        if not name or not number.isdecimal() or int(number) == 0 or name in found or int(number) in found.values():
            raise click.BadParameter(f"{value!r}; expected names with values above 0, such as VS=1,Cochlea=2")
        found[name] = int(number)
    return found


def structures_or_none(context: click.Context, option: click.Parameter, value: str | None) -> dict[str, int]:
    """As `structures`; empty where nothing is said."""
    return {} if value is None else structures(context, option, value)


def pattern(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A regular expression of one group."""
    if value is not None:
        expected = "expected a pattern with one group, such as '^(p[0-9]+)'"
        if (groups := _groups(value, expected)) != 1:
            raise click.BadParameter(f"{value!r}: {groups} groups; {expected}")
    return value


def pattern_or_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A name, or a regular expression of one group."""
    if value is None:
        return None
    expected = "expected a name, or a pattern with one group, such as '_(ldn|etz)_'"
    groups = _groups(value, expected)
    # `ldn|etz` is meant as a pattern, and would be the name of one centre.
    is_name = bool(value.strip()) and not any(sign in value for sign in "()[]{}|*+?^$\\")
    if groups > 1 or (groups == 0 and not is_name):
        raise click.BadParameter(f"{value!r}: {groups} groups; {expected}")
    return value


def _groups(value: str, expected: str) -> int:
    try:
        return re.compile(value).groups
    except re.error as error:
        raise click.BadParameter(f"{value!r}: {error}; {expected}") from error


def two_names(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    """`ceT1,FLAIR` as a list of two, or none."""
    found = _parts(value)  # twice the same one: two scanners, say, of one modality
    if len(found) not in (0, 2):
        raise click.BadParameter(f"{value!r}; expected two names, such as ceT1,FLAIR")
    return found


def percents(_: click.Context, __: click.Parameter, value: str) -> list[float]:
    """`5,50,95` as numbers from 0 to 100."""
    try:
        percents = [float(part) for part in value.split(",")]
    except ValueError:
        percents = [-1.0]
    if not all(0 <= percent <= 100 for percent in percents):
        raise click.BadParameter(f"{value!r}; expected numbers from 0 to 100, such as 5,50,95")
    return percents


def names(_: click.Context, __: click.Parameter, value: str) -> list[str]:
    """`none,gba` as a list, each once."""
    return list(dict.fromkeys(_parts(value)))


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def whole_numbers(_: click.Context, __: click.Parameter, value: str) -> list[int]:
    """`1,2,3` as numbers, each once."""
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise click.BadParameter(f"{value!r}; expected whole numbers, such as 1,2,3")
    return list(dict.fromkeys(int(part) for part in parts))


set_option = click.option(
    "-S", "--set", "extra", multiple=True, metavar="KEY=VALUE", help="Set in each; may be repeated."
)
now_option = click.option("--run", "now", is_flag=True, help="Run here, one after the other, instead of queueing.")
at_once_option = click.option(
    "--at-once", type=click.IntRange(min=1), help="With --run: so many side by side, each in a clone of this folder."
)


def side_by_side(now: bool, at_once: int | None) -> int:
    """What `--at-once` asks for; one where it is not said."""
    if at_once is not None and not now:
        raise click.UsageError("--at-once goes with --run; DVC's queue has `dvc queue start --jobs N`")
    return at_once or 1


def given(options: Mapping[str, str]) -> list[str]:
    """Which of the options (each with the name of its parameter) the present call has.

    Args:
        options: `--structure` -> `structure`.
    """
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    return [option for option, name in options.items() if context.get_parameter_source(name) != default]


FOLDER = click.Path(path_type=Path, file_okay=False)


class _Output(click.Path):
    """Where a command writes: a place that can be written to, which shows before the work, not after it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from gbaseg.commands.outputs import unwritable
        from gbaseg.errors import as_text, is_text

        path = Path(str(super().convert(value, param, ctx)))
        if not is_text(path):
            self.fail(f"{as_text(path)}: bytes that are not UTF-8; name another place", param, ctx)
        if reason := unwritable(path):
            self.fail(f"{path}: {reason}; name another place", param, ctx)
        return path


OUT_FOLDER = _Output(path_type=Path, file_okay=False)
OUT_FILE = _Output(path_type=Path, dir_okay=False)


class Number(click.FloatRange):
    """A number within bounds; NaN and infinity, which lie in none, are refused, too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is no number", param, ctx)
        return number
