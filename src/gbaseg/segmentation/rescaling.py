"""Intensities changed whenever a case is drawn: a structure's rescaled in the place of copies (arm `online`, Eq. 5), or
all of them through random curves (`randomise`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gbaseg.segmentation.preprocessed import CaseDataset
from gbaseg.segmentation.randomise import randomised

# numpy's global generator, from which nnU-Net's loaders draw too, and which a checkpoint keeps.
_DRAWN_FROM: np.random.RandomState = np.random.mtrand._rand


@dataclass(frozen=True)
class Rescaling:
    """What may be done to one preprocessed case, z = (x - mean) / sd of an image x in [0, 1].

    Args:
        mean, sd: of nnU-Net's normalisation.
        choices: (label value, lambda, offset); one of them, or none, is taken at each draw, all equally likely.
        air: where contrasts are randomised after that, see `randomise.air_level`; `None`: they are not.
        masked: nnU-Net normalises over the head alone, and what it leaves out (label -1) is 0.
    """

    mean: float
    sd: float
    choices: tuple[tuple[int, float, float], ...]
    air: float | None = None
    masked: bool = False

    def apply(self, image: np.ndarray, label: np.ndarray, value: int, factor: float, offset: float = 0.0) -> np.ndarray:
        """x_lambda (Eq. 5), normalised by the mean and SD of the image as it was: what is around the structure stays.

        Args:
            image: (1, Z, Y, X), normalised.
            label: likewise.
            value: of the structure.
            factor: lambda.
            offset: see `augmentation.rescale`.
        """
        rescaled = np.clip(factor * (image * self.sd + self.mean) + offset, 0.0, 1.0)
        return np.where(label == value, (rescaled - self.mean) / self.sd, image).astype(image.dtype)

    def randomise(self, image: np.ndarray, label: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        """Other contrasts, normalised as nnU-Net normalises an image that has them; arguments as of `apply`."""
        assert self.air is not None
        seen = randomised(np.clip(image * self.sd + self.mean, 0.0, 1.0), label, self.air, rng)
        kept = label >= 0
        values = seen[kept] if self.masked else seen
        normalised = (seen - values.mean()) / max(float(values.std()), 1e-8)
        return (np.where(kept, normalised, 0.0) if self.masked else normalised).astype(image.dtype)


class RescalingDataset(CaseDataset):
    """nnU-Net's training cases, rescaled at random as they are drawn."""

    def __init__(self, folder: str, identifiers: list[str], rescaling: Mapping[str, Rescaling]) -> None:
        super().__init__(folder, identifiers)
        self._rescaling = rescaling

    def load_case(self, identifier: str) -> tuple[Any, Any, Any, dict]:
        """As nnU-Net's, from whose generator (numpy's global one) is drawn."""
        image, label, previous, properties = super().load_case(identifier)
        rescaling = self._rescaling.get(identifier)
        taken = np.random.randint(len(rescaling.choices) + 1) if rescaling else 0  # noqa: NPY002
        if rescaling and taken:
            image = rescaling.apply(image[:], label[:], *rescaling.choices[taken - 1])
        if rescaling and rescaling.air is not None:
            image = rescaling.randomise(image[:], label[:], _DRAWN_FROM)
        return image, label, previous, properties


def read_rescaling(path: Path) -> dict[str, Rescaling]:
    """Case -> what may be done to it, as `preprocessing` wrote it; empty for the other arms."""
    return {
        name: Rescaling(one["mean"], one["sd"], tuple(map(tuple, one["choices"])), one["air"], one["masked"])
        for name, one in json.loads(path.read_text()).items()
    }
