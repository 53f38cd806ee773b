"""cost: what a run will take on a machine, which stage eats it, and how it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from gbaseg import params
from gbaseg.cases import read_table, select
from gbaseg.cost.speeds import Speed, known_machines, speeds_of, speeds_of_ledger
from gbaseg.cost.work import DataSize, Work, count_work
from gbaseg.errors import UserError
from gbaseg.evaluation.text import plain_table
from gbaseg.params import Params
from gbaseg.presets import preset_content
from gbaseg.runtime.ledger import LEDGER, read_ledger
from gbaseg.stages import layout
from gbaseg.volume import read_grid

# CrossMoDA 2022: source, target, validation cases; the paper's 288 copies. Slices of 1 mm through 120 mm of head.
_PAPER = DataSize(source=210, target=210, held_out=64, slices=120, copies=288 / 210)


def run(preset: str | None, presets: Path, gpu: str | None, size: Mapping[str, float | None]) -> None:
    """Print the forecast.

    Args:
        preset: whose parameters; None: those of params.yaml.
        presets: folder of presets.
        gpu: a machine of `machines.json`; None: this folder's ledger, where it has one, else the first there.
        size: fields of `DataSize`; those that are None are CrossMoDA's for its preset, else those of the data here.

    Raises:
        UserError: unknown preset or machine, or a data set whose size is not known.
    """
    here = params.load()
    settings = params.check(preset_content(preset, presets), f"preset {preset}") if preset else here
    data = size_here(here)
    speeds, source = _speeds(here, gpu, data)
    whole = _sized(_PAPER if preset == "crossmoda2022" else data, size)
    work = count_work(settings, whole)
    unknown = sorted({one.kind for one in work} - speeds.keys())
    if unknown:
        raise UserError(f"nothing was measured of {', '.join(unknown)} ({source}); `make run` here measures all")
    console = Console()
    console.print(
        f"{whole.source} source, {whole.target} target, {whole.held_out} held-out cases of {whole.slices} slices"
    )
    console.print(f"speeds: {source}")
    _print_stages(console, work, speeds)
    _print_growth(console, settings, whole, speeds)


def _print_stages(console: Console, work: Sequence[Work], speeds: Mapping[str, Speed]) -> None:
    total = _hours(work, speeds)
    table = plain_table("What a run takes")
    for heading in ("stage", "work", "hours", "share", "x measured"):
        table.add_column(heading, justify="left" if heading == "stage" else "right", no_wrap=True)
    for one in work:
        hours, times = _hours([one], speeds), one.amount / speeds[one.kind].measured_units
        table.add_row(one.stage, f"{one.amount:.3g} {one.unit}", f"{hours:.2f}", f"{hours / total:.0%}", f"{times:.2g}")
    table.add_row("all", "", f"{total:.2f}", "", "")
    console.print()
    console.print(table)
    console.print("x measured: over the work of the run that the speed is from; far from 1 it is rough")


def _print_growth(console: Console, settings: Params, size: DataSize, speeds: Mapping[str, Speed]) -> None:
    table = plain_table("How it grows")
    table.add_column("with", no_wrap=True)
    table.add_column("hours", justify="right")
    for what, (changed, other) in variants(settings, size).items():
        table.add_row(what, f"{_hours(count_work(changed, other), speeds):.2f}")
    console.print()
    console.print(table)


def variants(settings: Params, size: DataSize) -> dict[str, tuple[Params, DataSize]]:
    """The same run with twice as much of one thing."""
    segmentation, augmentation = settings.segmentation, settings.augmentation
    folds = segmentation.model_copy(update={"folds": 2 * segmentation.folds})
    # The root of the factor between two scales: twice as many.
    singan = augmentation.singan.model_copy(update={"scale_factor": augmentation.singan.scale_factor**0.5})
    scales = augmentation.model_copy(update={"singan": singan})
    cases = replace(size, source=2 * size.source, target=2 * size.target, held_out=2 * size.held_out)
    return {
        "twice the cases": (settings, cases),
        "twice the slices": (settings, replace(size, slices=2 * size.slices)),
        "twice SinGAN's scales": (settings.model_copy(update={"augmentation": scales}), size),
        "twice the folds": (settings.model_copy(update={"segmentation": folds}), size),
    }


def _hours(work: Sequence[Work], speeds: Mapping[str, Speed]) -> float:
    return sum(one.amount * speeds[one.kind].seconds_per_unit for one in work) / 3600


def _speeds(here: Params, gpu: str | None, data: DataSize | None) -> tuple[Mapping[str, Speed], str]:
    if gpu is not None:
        return speeds_of(gpu), known_machines()[gpu]["about"]
    if data is not None and LEDGER.is_file():
        return speeds_of_ledger(count_work(here, data), read_ledger()), f"{LEDGER}: what the last run here took"
    name, machine = next(iter(known_machines().items()))
    return speeds_of(name), machine["about"]


def _sized(known: DataSize | None, asked: Mapping[str, float | None]) -> DataSize:
    """The size that is known, with what is asked for in its place."""
    given = {name: value for name, value in asked.items() if value is not None}
    missing = sorted(asked.keys() - given.keys()) if known is None else []
    if missing:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise UserError(f"the size of the data set is not known before `standardise` has run; say {options}")
    # Counts are whole: the options see to it.
    return DataSize(**given) if known is None else replace(known, **given)  # type: ignore[arg-type]


def size_here(settings: Params) -> DataSize | None:
    """Of the standardised data in this folder; None before there are any."""
    if not (layout.STANDARD / "cases.csv").is_file():
        return None
    cases = read_table(layout.STANDARD)
    source = select(cases, domain="source", splits=["train"])
    copies = len(read_table(layout.AUGMENTED)) if (layout.AUGMENTED / "cases.csv").is_file() else 0
    slices = [read_grid(layout.STANDARD / case.image).shape[0] for case in cases]
    return DataSize(
        source=len(source),
        target=len(select(cases, domain="target", splits=["train"])),
        held_out=len(select(cases, domain="target", splits=settings.evaluation.splits)),
        slices=round(sum(slices) / len(slices)),
        copies=copies / max(len(source), 1),
    )
