"""Whether self-training goes on after a round: all that flows from scores to training (METHOD 3 and 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gbaseg.params import Params
from gbaseg.self_training.agreement import stops
from gbaseg.translation.checks import failed_checks
from gbaseg.translation.settings import UNTRANSLATED
from gbaseg.workflow import layout
from gbaseg.workflow.choice import chosen
from gbaseg.workflow.context import read_json, write_json

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
    self_training = settings.self_training
    by_dice = self_training.stop == "validation_dice"
    if round_id == self_training.rounds[0].id:
        judged = judge_translation(settings, metrics, blind=not by_dice)
        failed = self_training.stop != "never" and judged is not None and judged.failed
        return Verdict(stop=failed, failed=failed)
    previous = self_training.round(round_id).prev
    verdict = read_verdict(previous)
    if verdict.failed or (by_dice and verdict.stop):
        return verdict
    before, now = None, None
    if by_dice:
        before, now = (validation_dice(settings, one) for one in (read_json(layout.round_metrics(previous)), metrics))
    return Verdict(stop=stops(self_training, agreement, before, now))


def rule(settings: Params, metrics: Mapping[str, Any]) -> str:
    """The rule that self-training stops by: `self_training.stop`, or agreement where that finds no label to read.

    Args:
        metrics: of the round.
    """
    asked = settings.self_training.stop
    return "agreement" if asked == "validation_dice" and validation_dice(settings, metrics) is None else asked


@dataclass(frozen=True)
class Judgement:
    """Whether a translation has failed.

    Args:
        failed: it has.
        by: `none` or `survey`: the Dice of the arm without copies, or of the survey where it has none; `checks`: those
            that need no target label.
        why: figures and limits.
    """

    failed: bool
    by: str
    why: str


def judge_translation(settings: Params, metrics: Mapping[str, Any], *, blind: bool = False) -> Judgement | None:
    """The paper's failure rule: it is the translation that fails, by its arm without copies, and all arms with it.

    Where this run has no such arm (a run of another arm, whose survey has copies) or no labels, the checks stand in.

    Args:
        metrics: of the first round.
        blind: no target label may be read, since what is found steers.

    Returns:
        `None` without a translation: there is none that could fail.
    """
    if chosen(settings.translation).mode in UNTRANSLATED:
        return None
    if not blind and (found := _without_copies(settings, metrics)) is not None:
        by, dice = found
        limit = settings.translation.failure_dice
        why = f"mean Dice {dice:.3f} without copies (translation.failure_dice: {limit:g})"
        return Judgement(dice <= limit, by, why)
    contrast = read_json(layout.METRICS / "appearance.json", "contrast_distance_to_survey")
    checks = {
        **read_json(layout.METRICS / "translation.json"),
        "contrast_distance": contrast["contrast_distance_to_survey"]["before"],
    }
    faults = failed_checks(checks, settings.translation.failure_checks)
    return Judgement(bool(faults), "checks", "; ".join(faults) or "no check of translation.failure_checks fails")


def _without_copies(settings: Params, metrics: Mapping[str, Any]) -> tuple[str, float] | None:
    """Arm `none`, or the survey where it has no copies, and its mean Dice; `None` where there is none of either.

    Where the paper's rule steers, of what it goes by; elsewhere of all cases that are scored.
    """
    if settings.augmentation.arm == "none":
        by, scores = "none", metrics
    elif not settings.survey.alters:
        by, scores = layout.SURVEY, read_json(layout.round_metrics(layout.SURVEY))
    else:
        return None
    if settings.self_training.stop == "validation_dice":
        dice = validation_dice(settings, scores)
    else:
        dice = scores.get(settings.dataset.tumour, {}).get("dice", {}).get("mean")
    return None if dice is None else (by, dice)


def validation_dice(settings: Params, metrics: Mapping[str, Any]) -> float | None:
    """The tumour's mean Dice on the labelled validation cases; `None` where there are none."""
    scores = metrics.get(settings.dataset.tumour, {}).get("per_split", {}).get(_STEERS)
    return scores["dice"] if scores else None
