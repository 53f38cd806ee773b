"""A model as it is used: what is known of it before its networks are loaded, and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from gbaseg.errors import UserError
from gbaseg.inference.contents import TargetScans
from gbaseg.params import Params
from gbaseg.volume import Volume


class Networks(Protocol):
    """What `segmentation.ensemble.Ensemble` is for: its structures, and what each of them says of a scan."""

    structures: dict[str, int]

    @property
    def files(self) -> tuple[Path, ...]: ...

    @property
    def members(self) -> int: ...

    def fold_probabilities(self, scan: Volume) -> np.ndarray: ...


@dataclass(frozen=True)
class Model:
    """A round's ensemble, loaded once for any number of scans, and what was noted with it.

    Args:
        round_id: the round.
        settings: of params.yaml those that prediction reads: how scans are standardised, structures, prediction,
            confidence. The others are of no meaning.
        ensemble: the networks.
        fine: they see the finer grid.
        ranges_mm3: smallest and largest volume of each structure in the source's training cases; of those that are
            noted.
        target: what the target's training scans look like; None where that is not noted.
    """

    round_id: str
    settings: Params
    ensemble: Networks
    fine: bool
    ranges_mm3: Mapping[str, tuple[float, float]]
    target: TargetScans | None = None

    @staticmethod
    def load(path: str | Path) -> Model:
        """Load a model; takes seconds: nnU-Net is imported.

        Args:
            path: a zip of `gbaseg export`, its folder once unpacked, `models/segmentation/ROUND` of a project, or an
                artifact of DVC (`artifact.FORM`), which is downloaded.

        Raises:
            UserError: there is none, it is damaged, or written by a later version of gbaseg.
        """
        from gbaseg.inference.find import describe

        described = describe(path, None)
        if described.faults:
            raise UserError("\n".join(described.faults))
        return described.load()

    def need_several(self) -> None:
        """Check that there are networks to disagree with each other.

        Raises:
            UserError: there is one.
        """
        if self.ensemble.members == 1:
            raise UserError(f"uncertainty of {self.round_id}: a single network, which has no other to disagree with")


@dataclass(frozen=True)
class Described:
    """A model that is not loaded yet.

    Args:
        round_id: the round.
        settings: as `Model.settings`.
        faults: parts that are missing; `load` then must not be called.
        load: makes the model; raises a UserError where it is damaged.
    """

    round_id: str
    settings: Params
    faults: tuple[str, ...]
    load: Callable[[], Model]
