"""What copies are given besides another contrast (`augmentation.alterations`): drawn for all of them, and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gbaseg import volume
from gbaseg.augmentation.alterations.compose import Alterations, sample_alterations
from gbaseg.augmentation.alterations.texture import Sample, sample_of
from gbaseg.augmentation.rules import Copy
from gbaseg.augmentation.settings import structures
from gbaseg.params import Params
from gbaseg.runtime.progress import log
from gbaseg.workflow import layout
from gbaseg.workflow.appearances import believed_target
from gbaseg.workflow.context import write_json
from gbaseg.workflow.reviewed import labelled_targets, read_review

_FILE = "alterations.json"


@dataclass(frozen=True)
class Drawn:
    """What a copy is given, and where its texture is.

    Args:
        alterations: as drawn.
        shown: image and mask of the target case whose texture it takes; `None`: it takes none.
    """

    alterations: Alterations = field(default_factory=Alterations)
    shown: tuple[Path, Path] | None = None

    def sample(self, value: int) -> Sample | None:
        """The texture's, of the structure with this label."""
        if self.shown is None:
            return None
        image, mask = self.shown
        return sample_of(volume.read(image, np.float32).array, volume.read(mask).array == value)


def draw_alterations(settings: Params, copies: Sequence[Copy], round_id: str, folder: Path) -> dict[str, Drawn]:
    """Draw for every copy what it is given; empty where nothing is asked for.

    Args:
        settings: of the run.
        copies: as planned.
        round_id: whose pseudo-labels say where the target shows a structure.
        folder: where what was drawn is told.
    """
    asked = settings.augmentation.alterations
    resized = any(copy.diameter != 1.0 for copy in copies)
    if not copies or not (resized or any(share for _, share in asked)):
        return {}
    shown = _shown(settings, round_id) if asked.texture else {}
    found: dict[str, Drawn] = {}
    for copy in copies:
        of = shown.get(copy.structure, {})
        drawn = sample_alterations(asked, copy.name, settings.seed, sorted(of))
        if copy.diameter != 1.0:
            drawn = replace(drawn, diameter=copy.diameter)  # one that the target shows, in the place of any
        found[copy.name] = Drawn(drawn, of[drawn.texture] if drawn.texture is not None else None)
    write_json(folder / _FILE, {name: one.alterations.told() for name, one in found.items()})
    kinds = Counter(kind for one in found.values() for kind in one.alterations.told())
    log(f"{len(found)} copies, altered: {', '.join(f'{count} in {kind}' for kind, count in kinds.items())}")
    return found


def _shown(settings: Params, round_id: str) -> Mapping[str, Mapping[str, tuple[Path, Path]]]:
    """Structure -> target case -> its image and mask, where the structure is seen and believed."""
    names = structures(settings.augmentation.rules)
    places = {
        one.case.case: (layout.STANDARD / one.case.image, one.mask) for one in labelled_targets(read_review(round_id))
    }
    found: dict[str, dict[str, tuple[Path, Path]]] = {name: {} for name in names}
    for seen in believed_target(settings, names, round_id):
        if seen.appearance.volume_mm3 > 0:
            found[seen.structure][seen.case] = places[seen.case]
    for name, cases in found.items():
        if not cases:
            log(f"WARNING: the target shows no {name} that is believed: copies of it have no texture of the target's")
    return found
