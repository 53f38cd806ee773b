"""choose_translation: the translation that params.yaml names, or in mode auto the one that serves the target best.

Each candidate gets short trainings as the survey's, of several seeds; `self_training.label_free` ranks them by what
they find in the target's training cases. No label of the target is read (METHOD 3).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from gbaseg import params
from gbaseg.runtime.progress import log
from gbaseg.self_training.label_free import Rated, best, chance_of_trainings, is_ranked, simplest, told_apart
from gbaseg.workflow import layout
from gbaseg.workflow.choice import Translation, candidates
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.trials import rate_all

_PREFERRED = ("randomise", "none")


def run() -> None:
    """Run the stage."""
    settings = params.load()
    auto = settings.translation.mode == "auto"
    asked: dict[str, Any] = {"mode": settings.translation.mode, "run": settings.translation.run}
    if auto:
        asked |= {
            "seed": settings.seed,
            "auto": settings.translation.auto.model_dump(),
            "van_cittert": settings.translation.van_cittert.model_dump(),
            "survey": settings.survey.model_dump(exclude={"epochs"}),
            "foreground": settings.standardise.foreground,
            "segmentation": settings.segmentation.model_dump(exclude={"epochs", "last_round_epochs", "start"}),
            "spacing": settings.standardise.spacing_xyz_mm,
            "structures": settings.labels,
            "pieces": settings.pieces,
        }
    inputs = [layout.STANDARD, layout.TRANSLATION_MODEL]
    with stage("choose_translation", asked, inputs, [layout.CHOICE, layout.CHOICE_METRICS], resumable=True) as scratch:
        offered = {one.name: one for one in candidates(settings.translation)}
        found: dict[str, Any] = {}
        if auto:
            started = time.monotonic()
            rated = rate_all(settings, list(offered.values()), scratch.work)
            for name, one in rated.items():
                log(f"{name}: score {one.score:.3f} ({_in_words(one)})")
            name = simplest(rated, kinds(offered.values()))
            found = summary(rated, time.monotonic() - started, name)
            log(f"translation: {name}, {found['why']}")
        else:
            [name] = offered
            scratch.found_done.append("not asked for")
        write_json(scratch.output(layout.CHOICE), offered[name].written())
        write_json(scratch.output(layout.CHOICE_METRICS), found)


def kinds(offered: Iterable[Translation]) -> list[list[str]]:
    """Names of candidates that change the images alike, those first that are taken where nothing is told apart.

    Those that leave images as they are come before those that may put something wrong into them, and of the two
    contrasts at random before none: the plain contrast is among them, and rounds that saw no other one gain less from
    the rounds before (docs/results.md, gliomas and hearts).
    """
    found: dict[str, list[str]] = {mode: [] for mode in _PREFERRED}
    for one in offered:
        found.setdefault(one.mode, []).append(one.name)
    return list(found.values())


def summary(rated: Mapping[str, Rated], seconds: float, name: str) -> dict[str, Any]:
    """The choice, its evidence, its cost, and how far it is to be trusted."""
    top = best(rated)
    worse = told_apart(rated, top)
    alike = [other for other in rated if other not in (top, *worse)]
    ranked = is_ranked(rated.values())
    chance = chance_of_trainings(rated.values())
    if not ranked:
        why = "WARNING: no candidate finds anything in the target; the first is as good as any"
    elif not alike:
        why = "better than every other by more than chance"
    else:
        others = ", ".join(other for other in (top, *alike) if other != name)
        place = "the best" if name == top else "the first of those that put the least into the images"
        why = f"WARNING: {place}, not told apart from {others} (less than two standard errors)"
    return {
        "chosen": name,
        "trusted": ranked and not alike,
        "why": why,
        "sd_of_trainings": round(math.sqrt(chance), 4) if chance else None,
        "seconds": round(seconds, 1),
        "candidates": {
            other: {
                "score": round(one.score, 4),
                "agreement": None if one.agreement is None else round(one.agreement, 4),
                "consistency": None if one.consistency is None else round(one.consistency, 4),
                "plausible": round(one.plausible, 4),
            }
            for other, one in rated.items()
        },
    }


def _in_words(rated: Rated) -> str:
    def number(value: float | None) -> str:
        return "none" if value is None else f"{value:.3f}"

    return (
        f"seeds agree {number(rated.agreement)}, the same when disturbed {number(rated.consistency)}, "
        f"plausible volumes {rated.plausible:.0%}"
    )
