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
from gbaseg.self_training.label_free import (
    Kind,
    Rated,
    behind,
    best,
    chance_of_trainings,
    is_ranked,
    simplest,
    told_apart,
)
from gbaseg.translation.settings import IN_ORDER, UNTRANSLATED, Mode
from gbaseg.workflow import layout
from gbaseg.workflow.choice import Translation, candidates
from gbaseg.workflow.context import stage, write_json
from gbaseg.workflow.trials import rate_all


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
            kinds = kinds_of(offered.values())
            name = simplest(rated, kinds)
            found = summary(rated, kinds, name, time.monotonic() - started)
            log(f"translation: {name}, {found['why']}")
        else:
            [name] = offered
            scratch.found_done.append("not asked for")
        write_json(scratch.output(layout.CHOICE), offered[name].written())
        write_json(scratch.output(layout.CHOICE_METRICS), found)


def kinds_of(offered: Iterable[Translation]) -> list[Kind]:
    """Candidates by how they change the images, those first that are taken where nothing is told apart.

    Those that leave images as they are come before those that may put something wrong into them. Contrasts at random
    have the plain one among them, and any that keeps the order of intensities, as histogram matching does; they take
    longer to learn, and rounds gain more from them (docs/results.md, every set).
    """
    names: dict[Mode, list[str]] = {}
    for one in offered:
        names.setdefault(one.mode, []).append(one.name)
    wider = next(iter(names.get("randomise", [])), "")
    as_they_are = [name for mode in UNTRANSLATED for name in names.pop(mode, [])]
    kinds = [Kind(as_they_are, wider)] if as_they_are else []
    return kinds + [Kind(of, wider if mode in IN_ORDER else "") for mode, of in names.items()]


def summary(rated: Mapping[str, Rated], kinds: Iterable[Kind], name: str, seconds: float) -> dict[str, Any]:
    """The choice, its evidence, its cost, and how far it is to be trusted.

    Args:
        rated: every candidate.
        kinds: as `kinds_of` has them.
        name: the one that was chosen.
        seconds: that it took.
    """
    top = best(rated)
    alike = {other for kind in kinds if name in (*kind.names, kind.wider) for other in kind.names}
    rivals = [other for other in rated if other not in (*alike, *told_apart(rated, top))]
    ranked = is_ranked(rated.values())
    if not ranked:
        why = "WARNING: no candidate finds anything in the target; the first is as good as any"
    elif rivals:
        place = "the best" if top in alike else f"it puts less into the images than {top}, the best"
        why = f"WARNING: {place}, not told apart from {', '.join(rivals)} (less than two standard errors)"
    else:
        why = "better than every other by more than chance"
    above = best({other: rated[other] for other in alike})
    if ranked and above != name:
        easier = f"{above}, whose contrasts are among its own"
        why += f"; {easier}, scores higher, as the easier task does after a short training"
    chance = chance_of_trainings(rated.values())
    return {
        "chosen": name,
        "trusted": ranked and not rivals,
        "why": why,
        "sd_of_trainings": round(math.sqrt(chance), 4) if chance else None,
        "seconds": round(seconds, 1),
        "candidates": {
            other: {
                "score": round(one.score, 4),
                "agreement": None if one.agreement is None else round(one.agreement, 4),
                "consistency": None if one.consistency is None else round(one.consistency, 4),
                "plausible": round(one.plausible, 4),
                **({} if other == top else _behind(rated[top], one)),
            }
            for other, one in rated.items()
        },
    }


def _behind(top: Rated, one: Rated) -> dict[str, float | None]:
    found = behind(top, one)
    error = round(found.error, 4) if math.isfinite(found.error) else None
    return {"behind_the_best": round(found.mean, 4), "standard_error": error}


def _in_words(rated: Rated) -> str:
    def number(value: float | None) -> str:
        return "none" if value is None else f"{value:.3f}"

    return (
        f"seeds agree {number(rated.agreement)}, the same when disturbed {number(rated.consistency)}, "
        f"plausible volumes {rated.plausible:.0%}"
    )
