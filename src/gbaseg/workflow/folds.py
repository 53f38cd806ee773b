"""Which patients are in which fold: the same in every round."""

from __future__ import annotations

from typing import get_args

from gbaseg.cases import Domain, read_table, select
from gbaseg.params import Params
from gbaseg.runtime.seeds import derive
from gbaseg.workflow import layout


def fold_seed(settings: Params) -> int:
    """Seed by which patients are dealt to folds, in every round."""
    return derive(settings.seed, "folds")


def patient_pools() -> list[list[str]]:
    """All patients that may be trained on in any round, by domain, see `deal_patients`."""
    return [
        [case.patient for case in select(read_table(layout.STANDARD), domain=domain, splits=["train"])]
        for domain in get_args(Domain)
    ]
