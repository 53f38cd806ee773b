"""Whether self-training goes on after a round: all that flows from scores to training (METHOD 3 and 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gbaseg.params import Params
from gbaseg.self_training.agreement import stops
from gbaseg.stages import layout
from gbaseg.stages.context import read_json, write_json

# The split that the paper's rules go by; the others are scored and never steer.
_STEERS = "validation"


@dataclass(frozen=True)
class Verdict:
    """Nothing else may stand in the file: the next round is trained anew when it changes.

    Args:
        stop: the next round is not trained, unless it is a last one of another kind (`Params.last_round_differs`).
        failed: the translation has failed, or the tumour is found nowhere: no round is trained any more.
    """

    stop: bool = False
    failed: bool = False

    def ends(self, differs: bool) -> bool:
        """Whether the next round passes its model on; `differs`: it is a last one of another kind."""
        return self.failed or (self.stop and not differs)

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))


def read_verdict(round_id: str) -> Verdict:
    """After a round, or after the survey, which never stops."""
    found = read_json(layout.decision(round_id), "stop", "failed")
    return Verdict(found["stop"], found["failed"])


def decide(
    settings: Params,
    round_id: str,
    metrics: Mapping[str, Any],
    agreement: float | None,
    *,
    found_nothing: bool = False,
) -> Verdict:
    """Whether the next round is trained.

    Args:
        round_id: of `self_training.rounds`.
        metrics: of the round, see `evaluation.summary.summarise`; read with `stop: validation_dice` alone.
        agreement: of the round's pseudo-labels with those of the round before; `None` for the first round,
            and where neither has any.
        found_nothing: no training case of the target has a tumour in its pseudo-label. Whatever the rule: the next
            round would learn that there is none.
    """
    if found_nothing:
        return Verdict(stop=True, failed=True)
    self_training, translated = settings.self_training, settings.translation.mode != "none"
    if self_training.stop != "validation_dice":
        return Verdict(stop=stops(self_training, agreement, None, None))
    if round_id == self_training.rounds[0].id:
        # Without a translation there is none that could fail.
        failed = translated and bool(has_failed(settings, metrics))
        return Verdict(stop=failed, failed=failed)
    previous = self_training.round(round_id).prev
    verdict = read_verdict(previous)
    if verdict.stop:
        return verdict
    before, now = (validation_dice(settings, one) for one in (read_json(layout.round_metrics(previous)), metrics))
    return Verdict(stop=stops(self_training, agreement, before, now))


def rule(settings: Params, metrics: Mapping[str, Any]) -> str:
    """The rule that self-training stops by: `self_training.stop`, or agreement where that finds no label to read.

    Args:
        metrics: of the round.
    """
    asked = settings.self_training.stop
    return "agreement" if asked == "validation_dice" and validation_dice(settings, metrics) is None else asked


def has_failed(settings: Params, metrics: Mapping[str, Any]) -> bool | None:
    """Whether the translation has failed by the first round's scores, for the tables; `None` without scores.

    Where the paper's rule steers, by what it goes by; elsewhere by all cases that are scored.
    """
    if settings.self_training.stop == "validation_dice":
        dice = validation_dice(settings, metrics)
    else:
        dice = metrics.get(settings.dataset.tumour, {}).get("dice", {}).get("mean")
    return None if dice is None else dice <= settings.translation.failure_dice


def validation_dice(settings: Params, metrics: Mapping[str, Any]) -> float | None:
    """The tumour's mean Dice on the labelled validation cases; `None` where there are none."""
    scores = metrics.get(settings.dataset.tumour, {}).get("per_split", {}).get(_STEERS)
    return scores["dice"] if scores else None
