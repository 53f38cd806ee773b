"""What is said of a run before it: its stages, how long they will take here and by whose measure, what to look at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gbaseg.cost.counted import DataSize
from gbaseg.cost.forecast import Forecast, forecast
from gbaseg.cost.room import expected_copies
from gbaseg.params import Params
from gbaseg.runtime.durations import about
from gbaseg.runtime.ledger import LEDGER
from gbaseg.workflow import layout
from gbaseg.workflow.itinerary import place_of
from gbaseg.workflow.roots import is_default

# After which it is known how large the data are.
SIZED = "standardise"
# Of the stages, so many that take the most are named.
_LONGEST = 3
# Processors that train in bfloat16, as Linux and as machines.json call it; not those that have AMX, too, see
# runtime.precision.
_PROCESSOR, _FLAG, _NAME, _BUT = Path("/proc/cpuinfo"), "avx512_bf16", "AVX512-BF16", "amx_tile"


def phantom_size(settings: Params) -> DataSize | None:
    """The size of the built-in data set, which is known before it is there; None where another one is named."""
    if settings.dataset.layout != "crossmoda2022" or not is_default(Path(settings.dataset.root)):
        return None
    centres = (settings.phantom.centre_a, settings.phantom.centre_b)
    slices = round(settings.phantom.extent_zyx_mm[0] / settings.standardise.spacing_xyz_mm[2])
    held_out = sum(centre.validation_cases for centre in centres) if "validation" in settings.evaluation.splits else 0
    return DataSize(
        source=sum(centre.source_cases for centre in centres),
        target=sum(centre.target_cases for centre in centres),
        held_out=held_out,
        slices=settings.standardise.crop_z_px or slices,
        copies=0.0,
    )


def before(settings: Params, size: DataSize | None, stages: Sequence[str]) -> list[str]:
    """Lines to begin a run with.

    Args:
        settings: all.
        size: of the data; None where it is not known yet.
        stages: all of the run.

    Raises:
        UserError: nothing was measured of a kind of work.
    """
    first = place_of(SIZED, stages)
    found = f"{len(stages)} stages on {settings.dataset.root}"
    look = f"to look at first: {layout.MODALITIES}, after {first}"
    done = "what is done already is passed over; broken off, the same command goes on"
    if size is None:
        return [f"{found}; how long they take is said after {first}, which finds how large the data are", look, done]
    seen = forecast(settings, with_copies(settings, size), stages)
    sooner = seen.of(stages[: stages.index(SIZED) + 1]) if SIZED in stages else 0.0
    return [
        f"{found}: {size.source} source, {size.target} target, {size.held_out} held-out cases of {size.slices} slices",
        f"{about(seen.of(stages))} for all of them, {by_what(seen)}",
        *remarks(settings, seen),
        f"the longest: {longest(seen, stages)}",
        f"{look}: {about(sooner)}",
        done,
    ]


def left(settings: Params, size: DataSize, stages: Sequence[str], after: str = SIZED) -> list[str]:
    """What the stages after one of them take, with what is rough about that; nothing where it is not among them.

    Raises:
        UserError: nothing was measured of a kind of work.
    """
    if after not in stages:
        return []
    later = stages[stages.index(after) + 1 :]
    seen = forecast(settings, with_copies(settings, size), stages)
    return [
        f"{about(seen.of(later))} for the {len(later)} stages after this one, {by_what(seen)}",
        *remarks(settings, seen),
    ]


def with_copies(settings: Params, size: DataSize) -> DataSize:
    """With the copies that the rules can be expected to ask for, where none have been made."""
    expected = size.copies or expected_copies(settings)
    return replace(size, copies=expected if settings.augmentation.makes_copies else 0.0)


def longest(seen: Forecast, stages: Sequence[str]) -> str:
    """The few stages that take the most, in their order."""
    most = sorted(stages, key=lambda name: -seen.seconds[name])[:_LONGEST]
    return ", ".join(f"{name} ({about(seen.seconds[name])})" for name in sorted(most, key=stages.index))


def by_what(seen: Forecast) -> str:
    """Whose speeds a forecast goes by."""
    most, *rest = seen.sources
    return f"by {most}{f' (a smaller part by {rest[0]})' if rest else ''}"


def remarks(settings: Params, seen: Forecast) -> list[str]:
    """What is rough about a forecast, a line each."""
    said = []
    if not any(source.startswith(str(LEDGER)) for source in seen.sources):
        slower = any(_NAME in source for source in seen.sources) and not _trains_in_bfloat16()
        twice = "; it trains in float32, not in bfloat16, and may take twice as long" if slower else ""
        said.append(f"the speed of this machine is not known yet{twice}")
    if seen.times > 1:
        said.append(f"roughly: it is {seen.times:,.0f} times the work that was measured")
    elif seen.times < 1:
        said.append(f"roughly: what was measured was {1 / seen.times:,.0f} times the work")
    if settings.evaluation.oracle:
        said.append("the oracle (evaluation.oracle) is not counted")
    return said


def _trains_in_bfloat16() -> bool:
    """Whether the processor has such instructions, and is to use them, without torch; yes where nothing tells."""
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper().startswith(("SSE", "AVX2", "AVX512_CORE_VNNI")):
        return False
    try:
        flags = _PROCESSOR.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return True
    return _FLAG in flags and _BUT not in flags
