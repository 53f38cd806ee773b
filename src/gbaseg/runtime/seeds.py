"""Seeds: one number in params.yaml, from which every place that draws gets its own."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for one place in the pipeline: the same on every machine and Python, unlike `hash`."""
    digest = hashlib.blake2b("/".join(map(str, (seed, *names))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """A numpy generator for one place in the pipeline."""
    return np.random.default_rng(derive(seed, *names))


def torch_generator(seed: int, device: torch.device) -> torch.Generator:
    """A torch generator on `device`."""
    import torch

    return torch.Generator(device=device).manual_seed(seed)


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch globally, for libraries that draw from the global generators (nnU-Net)."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)
