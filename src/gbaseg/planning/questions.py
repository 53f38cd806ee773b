"""What has to be said by the user, and what is wrong with what was said: all in one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from gbaseg.planning.facts import DataFacts
from gbaseg.raw.fault import Fault

OPTION = "--structures"
# Of labels with one value and no name.
ONE_STRUCTURE = "tumour"


def known_structures(facts: DataFacts, layout: str) -> dict[str, int]:
    """Structures where nobody has to be asked: the challenge's tumour, or the only value that there is."""
    if layout == "crossmoda2022":
        return {"VS": 1}
    return {ONE_STRUCTURE: next(iter(facts.values))} if len(facts.values) == 1 else {}


def faults_of_structures(facts: DataFacts, structures: Mapping[str, int], named_by: str) -> list[Fault]:
    """Structures that no label has, labels without the first of them, and held-out ones with values of their own.

    Args:
        named_by: the option or file that names them.
    """
    if not facts.values or not structures:
        return []
    held = ", ".join(map(str, facts.values))
    missing = [name for name, value in structures.items() if value not in facts.values]
    if missing:
        found = ", ".join(f"{name}={structures[name]}" for name in missing)
        allowed = f"values of the labels: {held}"
        allowed += "" if named_by == OPTION else f"; {OPTION} names those to segment"
        return [Fault("", named_by, f"{found}, which no label holds", allowed)]
    tumour, value = next(iter(structures.items()))
    allowed = f"at least one voxel of the first structure in every source label, {tumour} = {value}"
    # Held-out scans of the source may have labels, and `standardise` reads those, too.
    labelled = [(scan, {label.value for label in scan.labels}) for scan in facts.scans if scan.labels]
    without = [Fault(scan.case, "", f"no voxel of {tumour}", allowed) for scan, of in labelled if value not in of]
    return without + [
        Fault(
            scan.case, "", f"label value(s) {', '.join(map(str, others))}", f"those of the labels to train on: {held}"
        )
        for scan, of in labelled
        if (others := sorted(of - facts.values.keys()))
    ]


def question(facts: DataFacts, known: Sequence[str], centres: bool) -> list[str]:
    """What the label values are: asked with what was found of each.

    Args:
        known: what was said of them elsewhere, and is no answer.
        centres: may be asked for in the same call.
    """
    values = []
    for value, count in facts.values.items():
        volume = median(label.volume_mm3 for _, label in facts.labels(value)) / 1000
        values.append(f"{value} (in {count} of {len(facts.source)} labels, {volume:.3g} ml)")
    example = ",".join(f"NAME={value}" for value in facts.values)
    lines = [
        f"{OPTION} {example}: what the label values are, the one that is to steer first, of those to segment; "
        f"found: {', '.join(values)}",
        *known,
    ]
    if centres:
        lines.append("where scans are of several centres: --centres NAME, or 'PATTERN' with the centre in ( )")
    return lines


def all_at_once(faults: Sequence[Fault], questions: Sequence[str], owned: Sequence[str]) -> str:
    """One message: faults, then what is asked for, then what is not to be written over."""
    lines = []
    if faults:
        lines += [f"{len(faults)} fault(s) in the data:", *(f"  - {fault}" for fault in faults)]
    if questions:
        lines += ["to be said, as it cannot be seen:", *(f"  - {question}" for question in questions)]
    if owned:
        lines += ["not to be written, or written over:", *(f"  - {line}" for line in owned)]
    return "\n".join([*lines, "nothing was written"])
