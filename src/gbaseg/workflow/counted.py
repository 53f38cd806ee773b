"""What a stage's line in the ledger says of its work, so that `gbaseg cost` can count it whatever params.yaml says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gbaseg.cases import read_table, select
from gbaseg.cost.counted import DataSize
from gbaseg.params import Params
from gbaseg.volume import read_grid
from gbaseg.workflow import layout


def whole_work(settings: Params) -> dict[str, Any]:
    """Parameters that a stage ran with, and the size of the data that lie here now.

    Not the work itself: all lines are to be counted in one way, that of whoever reads them.
    """
    size = size_here(settings)
    return {} if size is None else {"work": {"params": settings.model_dump(mode="json"), "size": asdict(size)}}


def size_here(settings: Params) -> DataSize | None:
    """Of the standardised data in this folder; None before there are any."""
    if not (layout.STANDARD / "cases.csv").is_file():
        return None
    cases = read_table(layout.STANDARD)
    source = select(cases, domain="source", splits=["train"])
    copies = len(read_table(layout.AUGMENTED)) if (layout.AUGMENTED / "cases.csv").is_file() else 0
    drawn = [len(read_table(table.parent)) for table in layout.ADAPTED.glob("*/cases.csv")]
    copies += max(drawn, default=0)
    slices = [read_grid(layout.STANDARD / case.image).shape[0] for case in cases]
    return DataSize(
        source=len(source),
        target=len(select(cases, domain="target", splits=["train"])),
        held_out=len(select(cases, domain="target", splits=settings.evaluation.splits)),
        slices=round(sum(slices) / len(slices)),
        copies=copies / max(len(source), 1),
    )
