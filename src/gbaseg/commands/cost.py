"""cost: what a run will take on a machine, which stage eats it, and how it grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from gbaseg import params
from gbaseg.cost.counted import DataSize
from gbaseg.cost.room import count_room, whole_run
from gbaseg.cost.several import grid_on, hours_on
from gbaseg.cost.speeds import Speed, speeds_here
from gbaseg.cost.work import Work, count_work
from gbaseg.errors import UserError
from gbaseg.evaluation.text import plain_console, plain_table
from gbaseg.params import Params
from gbaseg.presets import preset_content
from gbaseg.runtime.room import in_bytes
from gbaseg.text_file import read_yaml
from gbaseg.workflow import layout
from gbaseg.workflow.counted import size_here
from gbaseg.workflow.layout import LOCK
from gbaseg.workflow.preflight import demands_of, this_machine
from gbaseg.workflow.provenance import strangers

# CrossMoDA 2022: source, target, validation cases; the paper's 288 copies. Slices of 1 mm through 120 mm of head.
_PAPER = DataSize(source=210, target=210, held_out=64, slices=120, copies=288 / 210)
# Voxels of its largest scans.
_PAPERS_SCAN = 512.0 * 512 * 120
# Its folder in README and preset.
_PAPERS_ROOT = "crossmoda2022"
# How many GPUs (or machines without), and seeds x arms of the grids of experiments, are foretold.
_SEVERAL, _GRIDS = (1, 5, 20, 100), ((3, 3), (5, 9))


def run(preset: str | None, presets: Path, gpu: str | None, size: Mapping[str, float | None]) -> None:
    """Print the forecast.

    Args:
        preset: whose parameters; None: those of params.yaml.
        presets: folder of presets.
        gpu: a machine of `machines.json`; None: this folder's ledger for each kind of work that it has measured on the
            device that would be used now, the first machine there for the others.
        size: fields of `DataSize`; those that are None are of the data here if they were standardised with these
            parameters, else CrossMoDA's where the parameters name that data set.

    Raises:
        UserError: unknown preset or machine, or a data set whose size is not known.
    """
    settings = params.check(preset_content(preset, presets), f"preset {preset}") if preset else params.load()
    speeds, sources = speeds_here(gpu)
    known, known_from = known_size(settings)
    whole = _sized(known, size)
    work = count_work(settings, whole)
    unknown = sorted({one.kind for one in work} - speeds.keys())
    if unknown:
        raise UserError(f"nothing was measured of {', '.join(unknown)} ({'; '.join(sources)})")
    console = plain_console(soft_wrap=True)
    console.print(
        f"{whole.source} source, {whole.target} target, {whole.held_out} held-out cases of {whole.slices} slices, "
        f"{whole.copies:.3g} copies a source case{f' ({known_from})' if whole == known else ''}"
    )
    if not whole.copies and settings.augmentation.makes_copies:
        console.print("no copies have been made yet, so that `augment` counts as nothing; --copies says how many")
    for source, kinds in sources.items():
        console.print(f"speeds of {', '.join(kinds)}: {source}")
    if gpu is None and len(sources) > 1:
        console.print("what no stage here has done yet may be far off: the demonstration, run here, measures all")
    _print_stages(console, work, speeds)
    _print_growth(console, settings, whole, speeds)
    _print_several(console, settings, whole, work, speeds)
    _print_room(console, settings, whole)


def _print_room(console: Console, settings: Params, size: DataSize) -> None:
    """Disk and memory of each stage, and what this machine has."""
    papers = Path(settings.dataset.root).name == _PAPERS_ROOT
    rooms = count_room(settings, size, this_machine(settings, size), _PAPERS_SCAN if papers else 0.0)
    whole = whole_run(rooms)
    table = plain_table("Room that it takes, at the most")
    for heading in ("stage", "outputs", ".scratch", "store", "memory"):
        table.add_column(heading, justify="left" if heading == "stage" else "right", no_wrap=True)
    for one in [*rooms, whole]:
        sizes = (one.outputs, one.scratch, one.store, one.memory)
        table.add_row(one.stage, *(in_bytes(size) for size in sizes))
    console.print()
    console.print(table)
    console.print("outputs: in data/ and models/, and once more in DVC's cache; store: in .scratch/store")
    console.print("all: what stays of every stage, and the most that one takes in .scratch and memory while it works")
    for demand in demands_of(whole):
        console.print(f"  {demand.place}: {in_bytes(demand.wanted)} wanted, {in_bytes(demand.free)} free here")


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
    console.print("x measured: over the work of the stage that the speed is from; far from 1 it is rough")


def _print_growth(console: Console, settings: Params, size: DataSize, speeds: Mapping[str, Speed]) -> None:
    table = plain_table("How it grows")
    table.add_column("with", no_wrap=True)
    table.add_column("hours", justify="right")
    for what, (changed, other) in variants(settings, size).items():
        table.add_row(what, f"{_hours(count_work(changed, other), speeds):.2f}")
    console.print()
    console.print(table)


def _print_several(
    console: Console, settings: Params, size: DataSize, work: Sequence[Work], speeds: Mapping[str, Speed]
) -> None:
    """What more machines like this one would save, and where they stop to."""
    table = plain_table("On several of them, each task on one (docs/scaling.md)")
    for heading in ("of them", "hours of a run", *(f"{seeds * arms} experiments" for seeds, arms in _GRIDS)):
        table.add_column(heading, justify="right", no_wrap=True)
    for count in _SEVERAL:
        alone = hours_on(count, work, speeds, settings, size)
        grids = (grid_on(count, seeds, arms, work, speeds, settings, size) for seeds, arms in _GRIDS)
        table.add_row(str(count), f"{sum(alone.values()):.2f}", *(f"{hours:.1f}" for hours in grids))
    console.print()
    console.print(table)
    most = sorted(alone, key=lambda stage: -alone[stage])[:3]
    words = ", ".join(f"{stage} ({alone[stage]:.2f})" for stage in most)
    console.print(
        f"experiments: {' and '.join(f'{seeds} seeds x {arms} arms' for seeds, arms in _GRIDS)}, at the least"
    )
    console.print(f"what more of them do not shorten: {words}")


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
    return sum(speeds[one.kind].seconds(one) for one in work) / 3600


def known_size(settings: Params) -> tuple[DataSize | None, str]:
    """The size of the data that these parameters name, and where it is from; None where it is not known."""
    size = size_here(settings) if _standardised_by(settings) else None
    if size is not None and strangers([layout.AUGMENTED, layout.ADAPTED]):
        size = replace(size, copies=0.0)
    if size is None and Path(settings.dataset.root).name == _PAPERS_ROOT:
        return _PAPER, "as published"
    return size, str(layout.STANDARD)


def _standardised_by(settings: Params) -> bool:
    """Whether what is in data/standard was made with these parameters; without a dvc.lock it is taken for that."""
    if not LOCK.is_file():
        return True
    stages = read_yaml(LOCK)["stages"]
    then: dict[str, Any] = {}
    for stage in ("phantom", "standardise"):
        then |= stages.get(stage, {}).get("params", {}).get("params.yaml", {})
    sections = then.keys() & {"phantom", "dataset", "standardise"}
    try:
        made_by = Params.model_validate({name: then[name] for name in sections})
    except ValidationError:
        return False  # of a version whose parameters are no longer these
    return all(getattr(made_by, name) == getattr(settings, name) for name in sections)


def _sized(known: DataSize | None, asked: Mapping[str, float | None]) -> DataSize:
    """The size that is known, with what is asked for in its place."""
    given = {name: value for name, value in asked.items() if value is not None}
    missing = sorted(asked.keys() - given.keys()) if known is None else []
    if missing:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise UserError(
            "the size of the data set is not known before `dvc repro standardise` has run with these parameters; "
            f"say {options}"
        )
    # Counts are whole: the options see to it.
    return DataSize(**given) if known is None else replace(known, **given)  # type: ignore[arg-type]
