"""Which translation is used: that of params.yaml, or in mode auto the one that was chosen among candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gbaseg.translation.settings import Mode, TranslationSettings
from gbaseg.workflow import layout
from gbaseg.workflow.context import read_json


@dataclass(frozen=True)
class Translation:
    """One way from the source to the target modality.

    Args:
        name: of a candidate, which is its folder in `models/translation`; empty where there is but one.
        mode: of `translation.mode`.
        run: number of a CycleGAN's retraining.
    """

    name: str
    mode: Mode
    run: int

    @property
    def folder(self) -> Path:
        """Where its model lies."""
        return layout.TRANSLATION_MODEL / self.name

    def written(self) -> dict[str, Any]:
        """Content of `layout.CHOICE`: nothing else may stand in it, since later stages run again when it changes."""
        return asdict(self)


def candidates(settings: TranslationSettings) -> list[Translation]:
    """What there is to choose from; one, whose model has the folder to itself, where the mode is given."""
    if settings.mode != "auto":
        return [Translation("", settings.mode, settings.run)]
    found = []
    for mode in settings.auto.candidates:
        runs: Sequence[int] = range(settings.run, settings.run + settings.auto.cyclegan_runs)
        if mode == "cyclegan":
            found += [Translation(f"cyclegan_{run}", mode, run) for run in runs]
        else:
            found.append(Translation(mode, mode, settings.run))
    return found


def chosen(settings: TranslationSettings) -> Translation:
    """The one that is used; in mode auto once `choose_translation` has run."""
    if settings.mode != "auto":
        return candidates(settings)[0]
    found = read_json(layout.CHOICE, "name", "mode", "run")
    return Translation(found["name"], found["mode"], found["run"])
