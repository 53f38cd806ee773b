"""Which structures are rescaled, and how: by what the target itself will show, since nobody has looked at it yet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gbaseg.planning.facts import Choice

# Copies a case, as many as the demonstration has factors; no fewer of any structure than one darker and one brighter.
_COPIES, _FEWEST = 4, 2
# Contrasts that the survey draws from.
_CONTRASTS = 15


def choose_factors(structures: Mapping[str, int], k_star: Sequence[int]) -> list[Choice]:
    """An adaptive rule for each structure; the survey looks for all of them in either contrast."""
    copies = max(_FEWEST, -(-_COPIES // len(structures)))
    rules: list[dict[str, Any]] = [
        {
            "name": name,
            "structure": structure,
            "centres": "both",
            "lambdas": [],
            "adaptive": copies,
            "adaptive_size": "if_needed",
            "k_star": list(k_star),
        }
        for name, structure in zip(_names(list(structures)), structures, strict=True)
    ]
    unknown = "whether the target shows it darker or brighter is not known before a run"
    shown = "in contrasts that the target shows, and in its sizes where these are not enough"
    every = f"every case of {', '.join(structures)}, {shown}"
    return [
        Choice("augmentation.rules", rules, every),
        Choice("survey.lambdas", [], "contrasts are drawn in their place"),
        Choice(
            "survey.contrasts", _CONTRASTS, f"of each structure, darker and brighter than what is around it: {unknown}"
        ),
        Choice("augmentation.singan.slice_centre", "both", "all scans of the target"),
    ]


def _names(structures: Sequence[str]) -> list[str]:
    """Of their rules: parts of file names, one each."""
    if len(structures) == 1:
        return ["all"]
    names = [re.sub(r"[^A-Za-z0-9]+", "-", structure).strip("-") for structure in structures]
    usable = all(names) and len(set(names)) == len(names)
    return names if usable else [f"structure-{number}" for number in range(1, len(names) + 1)]
