"""Trained generators, and how they are written and read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, ValidationError

from gbaseg.runtime.checkpoint import load_weights, not_fitting, save_weights
from gbaseg.settings import Settings
from gbaseg.translation.networks import Generator


@dataclass(frozen=True)
class Generators:
    """The two trained generators: source to target (ceT1 -> hrT2), and back, for the cycle error."""

    to_target: Generator
    to_source: Generator


class _Size(Settings):
    """What a generator is built from, as its file says: within what can be built."""

    width: Annotated[int, Field(ge=1, le=4096)]
    blocks: Annotated[int, Field(ge=1, le=256)]
    halvings: Annotated[int, Field(ge=0, le=4)]


def save_generators(generators: Generators, path: Path) -> None:
    """Write both generators, with the sizes needed to rebuild them, as safetensors; equal weights, equal bytes.

    Raises:
        UserError: weights that are not finite.
    """
    tensors = {
        f"{name}.{key}": value
        for name, generator in (("to_target", generators.to_target), ("to_source", generators.to_source))
        for key, value in generator.state_dict().items()
    }
    built = generators.to_target
    size = _Size(width=built.width, blocks=built.blocks, halvings=built.halvings)
    save_weights(tensors, path, {"generator": json.dumps(size.model_dump())})


def load_generators(path: Path, device: torch.device) -> Generators:
    """Read what `save_generators` wrote, onto `device`, ready to translate.

    Raises:
        UserError: the file is missing, damaged, of something else, or its weights are not finite.
    """
    tensors, about = load_weights(path, device)
    try:
        size = _Size.model_validate_json(about.get("generator", ""))
    except ValidationError as error:
        raise not_fitting(path, "not the generators of a CycleGAN") from error
    loaded = []
    for name in ("to_target", "to_source"):
        generator = Generator(**size.model_dump()).to(device)
        prefix = f"{name}."
        try:
            generator.load_state_dict(
                {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            )
        except RuntimeError as error:
            raise not_fitting(path, f"its weights are not those of {name}, of {size}") from error
        loaded.append(generator.eval())
    return Generators(*loaded)
