"""What an export's two texts, the model card and METHODS.md, say in the same words."""

from __future__ import annotations

from collections.abc import Mapping

from gbaseg.commands.run_facts import RunFacts, Score
from gbaseg.evaluation.statistics import Interval
from gbaseg.evaluation.text import number


def with_interval(statistic: Mapping[str, float | None], interval: Interval | None, decimals: int) -> str:
    """`0.802 ± 0.051 [0.776, 0.828]`; of what is not known nothing."""
    spread = "" if statistic.get("sd") is None else f" ± {number(statistic['sd'], decimals)}"
    between = "" if interval is None else f" [{number(interval.low, decimals)}, {number(interval.high, decimals)}]"
    return f"{number(statistic['mean'], decimals)}{spread}{between}"


def splits_of(score: Score) -> list[str]:
    """Of the scans that were scored."""
    return list(score.metrics.get("per_split", {})) or ["not noted"]


def named(facts: RunFacts, domain: str) -> str:
    """`hrT2 scans`, or `scans of the target` where the table of cases does not say what they are."""
    return f"{facts.modalities[domain]} scans" if domain in facts.modalities else f"scans of the {domain}"
