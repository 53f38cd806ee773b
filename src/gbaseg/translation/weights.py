"""Trained generators, and how they are written and read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gbaseg.translation.networks import Generator


@dataclass(frozen=True)
class Generators:
    """The two trained generators: source to target (ceT1 -> hrT2), and back, for the cycle error."""

    to_target: Generator
    to_source: Generator


def save_generators(generators: Generators, path: Path) -> None:
    """Write both generators, with the sizes needed to rebuild them, as safetensors; equal weights, equal bytes."""
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, generator in (("to_target", generators.to_target), ("to_source", generators.to_source))
        for key, value in generator.state_dict().items()
    }
    # One entry only: safetensors writes several in no fixed order.
    built = generators.to_target
    size = {"width": built.width, "blocks": built.blocks, "halvings": built.halvings}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"generator": json.dumps(size)})


def load_generators(path: Path, device: torch.device) -> Generators:
    """Read what `save_generators` wrote, onto `device`, ready to translate."""
    with safe_open(path, framework="pt", device=str(device)) as file:
        size = json.loads(file.metadata()["generator"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    loaded = []
    for name in ("to_target", "to_source"):
        generator = Generator(**size).to(device)
        prefix = f"{name}."
        generator.load_state_dict(
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        )
        loaded.append(generator.eval())
    return Generators(*loaded)
