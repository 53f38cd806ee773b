"""Which structures are rescaled, and how: by what the target itself will show, since nobody has looked at it yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gbaseg.planning.facts import Choice

# Copies a case, as many as the demonstration has factors, and contrasts that the survey draws from.
_COPIES = 4
_CONTRASTS = 15


def choose_factors(structures: Mapping[str, int], k_star: Sequence[int]) -> list[Choice]:
    """One adaptive rule for the first structure; the survey looks for all of them in either contrast."""
    tumour = next(iter(structures))
    rule: dict[str, Any] = {
        "name": "all",
        "structure": tumour,
        "centres": "both",
        "lambdas": [],
        "adaptive": _COPIES,
        "k_star": list(k_star),
    }
    unknown = "whether the target shows it darker or brighter is not known before a run"
    return [
        Choice(
            "augmentation.rules", [rule], f"every case of {tumour}, in contrasts that the survey finds in the target"
        ),
        Choice("survey.lambdas", [], "contrasts are drawn in their place"),
        Choice(
            "survey.contrasts", _CONTRASTS, f"of each structure, darker and brighter than what is around it: {unknown}"
        ),
        Choice("augmentation.singan.slice_centre", "both", "all scans of the target"),
    ]
