"""All alterations of a copy: drawn together, each by a seed of its own, and put on in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gbaseg.augmentation.alterations.compartments import Compartments, apply_compartments, sample_compartments
from gbaseg.augmentation.alterations.diameter import apply_diameter, sample_diameter
from gbaseg.augmentation.alterations.edges import apply_edges, sample_edges
from gbaseg.augmentation.alterations.texture import Sample, apply_texture, sample_texture
from gbaseg.augmentation.settings import AlterationSettings
from gbaseg.runtime.seeds import derive


@dataclass(frozen=True)
class Alterations:
    """What is done to one copy besides Eq. 5; `None`: nothing of that kind.

    Args:
        diameter: see `apply_diameter`.
        compartments: see `apply_compartments`.
        texture: name of the target case that it is taken from.
        edges: see `apply_edges`.
        seed: of the texture.
    """

    diameter: float | None = None
    compartments: Compartments | None = None
    texture: str | None = None
    edges: float | None = None
    seed: int = 0

    def resize(
        self, image: np.ndarray, label: np.ndarray, value: int, spacing_zyx_mm: tuple[float, float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Image and label (Z, Y, X) before the structure `value` is given another contrast."""
        if self.diameter is None:
            return image, label
        return apply_diameter(image, label, value, spacing_zyx_mm, self.diameter)

    def apply(
        self, image: np.ndarray, mask: np.ndarray, spacing_zyx_mm: tuple[float, float, float], sample: Sample | None
    ) -> np.ndarray:
        """The image (Z, Y, X) in [0, 1] after that; `sample`: of `texture`."""
        if self.texture is not None and sample is not None:
            rng = np.random.default_rng(self.seed)
            image = apply_texture(image, mask, sample_texture(image.shape, sample, rng))
        if self.compartments is not None:
            image = apply_compartments(image, mask, spacing_zyx_mm, self.compartments)
        return image if self.edges is None else apply_edges(image, mask, self.edges)

    def told(self) -> dict[str, Any]:
        """For a person: what was drawn."""
        drawn: dict[str, Any] = {"diameter": self.diameter, "texture": self.texture, "edges": self.edges}
        if self.compartments is not None:
            drawn["compartments"] = self.compartments._asdict()
        return {name: value for name, value in drawn.items() if value is not None}


def sample_alterations(settings: AlterationSettings, name: str, seed: int, textures: list[str]) -> Alterations:
    """Draw what a copy is given. Another share of one kind changes nothing of the others.

    Args:
        settings: how often each is.
        name: the copy's.
        seed: of the run.
        textures: target cases whose texture can be taken.
    """

    def rng(kind: str) -> np.random.Generator | None:
        """To draw from, where the copy is given that."""
        found = np.random.default_rng(derive(seed, "alteration", kind, name))
        return found if found.random() < getattr(settings, kind) else None

    by = {kind: rng(kind) for kind in AlterationSettings.model_fields}
    return Alterations(
        diameter=sample_diameter(by["diameter"]) if by["diameter"] else None,
        compartments=sample_compartments(by["compartments"]) if by["compartments"] else None,
        texture=textures[by["texture"].integers(len(textures))] if by["texture"] and textures else None,
        edges=sample_edges(by["edges"]) if by["edges"] else None,
        seed=derive(seed, "alteration", "noise", name) if by["texture"] else 0,
    )
