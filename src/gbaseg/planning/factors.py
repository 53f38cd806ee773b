"""Which structures are rescaled, and by which factors. The place for factors found from the target's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gbaseg.planning.facts import Choice

# Darker and brighter than the translation leaves it: what the target shows is not known (the demonstration's).
_LAMBDAS = (0.5, 0.7, 1.4, 1.7)
# The survey copies every case for every structure and factor: of several structures, fewer.
_OF_SEVERAL = (0.7, 1.4)


def choose_factors(structures: Mapping[str, int], k_star: Sequence[int]) -> list[Choice]:
    """One rule for the first structure, and the survey's factors.

    Adaptive factors would be decided here; they need the translation, so the first round has these in any case.
    """
    tumour = next(iter(structures))
    rule: dict[str, Any] = {
        "name": "all",
        "structure": tumour,
        "centres": "both",
        "lambdas": list(_LAMBDAS),
        "k_star": list(k_star),
    }
    survey = _LAMBDAS if len(structures) == 1 else _OF_SEVERAL
    unknown = "whether the target shows it darker or brighter is not known before a run"
    return [
        Choice(
            "augmentation.rules", [rule], f"every case of {tumour}, both ways: {unknown} (plots/appearance.png then)"
        ),
        Choice("survey.lambdas", list(survey), f"of each structure: {unknown}"),
        Choice("augmentation.singan.slice_centre", "both", "all scans of the target"),
    ]
