"""Training of the CycleGAN on unpaired axial slices (METHOD 3, Eq. 1 to 3)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gbaseg.runtime.precision import in_bfloat16
from gbaseg.runtime.progress import meter
from gbaseg.runtime.seeds import derive, numpy_generator, torch_generator
from gbaseg.translation import losses
from gbaseg.translation.networks import Discriminator, Generator, initialise, to_network
from gbaseg.translation.settings import CycleGANSettings
from gbaseg.translation.slices import endless_batches, patch_size, sample_batch, usable
from gbaseg.translation.weights import Generators

CHECKPOINT = "cyclegan.pt"
OnEpoch = Callable[[int, dict[str, float]], None]


class ImagePool:
    """Earlier translations that the discriminator is shown again, so that it does not forget (official code).

    Until it is full, the pool takes every image and hands it on. Then it hands on, with probability 1/2, an
    older image and takes the new one in its place.
    """

    def __init__(self, size: int, images: list[Tensor] | None = None) -> None:
        self.size = size
        self.images = list(images or [])

    def exchange(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """(B, 1, H, W) new translations -> as many, some of them old."""
        if self.size == 0:
            return images
        handed_on = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image.clone())
                handed_on.append(image)
            elif rng.random() < 0.5:
                place = int(rng.integers(self.size))
                handed_on.append(self.images[place])
                self.images[place] = image.clone()
            else:
                handed_on.append(image)
        return torch.stack(handed_on)


def train_cyclegan(
    source_slices: np.ndarray,
    target_slices: np.ndarray,
    settings: CycleGANSettings,
    seed: int,
    device: torch.device,
    scratch: Path,
    on_epoch: OnEpoch | None = None,
) -> Generators:
    """Train both generators.

    Args:
        source_slices, target_slices: (N, H, W) and (M, H, W), intensities in [0, 1]; they stay in host memory.
            Slices with less tissue than `settings.min_tissue_fraction` are passed over.
        settings: all numbers.
        seed: weights, order of slices, crops, flips and pool follow from it, bit for bit on a CPU.
        device: where to compute.
        scratch: folder of the checkpoint, written after each epoch. A call that finds one goes on from there,
            to the same weights.
        on_epoch: called with the epoch (from 1) and its mean losses; after a resume also, first, for each
            epoch done before, so that a log written from it is whole.

    Raises:
        UserError: a domain has no slice with enough tissue, the domains' slices differ in size, or a crop does
            not fit.
    """
    size_yx = patch_size(source_slices, target_slices, settings)
    source = usable(source_slices, settings, "source")
    target = usable(target_slices, settings, "target")
    batch = settings.batch_size
    steps = settings.steps_per_epoch or -(-len(source) // batch)
    epochs = settings.epochs + settings.decay_epochs

    state = _State(settings, seed, device)
    checkpoint = scratch / CHECKPOINT
    state.restore(checkpoint, device)
    for epoch, means in enumerate(state.history, start=1):
        if on_epoch:
            on_epoch(epoch, means)

    with meter("CycleGAN", epochs * steps, done=len(state.history) * steps) as bar:
        for epoch in range(len(state.history) + 1, epochs + 1):
            # A generator an epoch: there is no random state to save.
            rng = numpy_generator(seed, "epoch", epoch)
            state.set_learning_rate(_learning_rate(epoch, settings))
            sums: dict[str, Tensor] = {}
            for picked in itertools.islice(endless_batches(source, batch, rng), steps):
                real_source = sample_batch(source_slices, picked, size_yx, settings.random_flip, rng)
                unpaired = rng.choice(target, batch)
                real_target = sample_batch(target_slices, unpaired, size_yx, settings.random_flip, rng)
                step = _train_step(
                    state, to_network(real_source.to(device)), to_network(real_target.to(device)), settings, rng
                )
                for name, value in step.items():
                    sums[name] = sums[name] + value if name in sums else value
                bar.advance()
            # Read only now: a GPU is not kept waiting at every step.
            means = {name: float(value) / steps for name, value in sums.items()}
            state.history.append(means)
            state.save(checkpoint)
            bar.advance(0, note=f"cycle {means['cycle_source']:.3f}, adversarial {means['generator_target']:.2f}")
            if on_epoch:
                on_epoch(epoch, means)
    return Generators(state.to_target.eval(), state.to_source.eval())


def _train_step(
    state: _State,
    real_source: Tensor,
    real_target: Tensor,
    settings: CycleGANSettings,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """One step of the generators, then one of the discriminators; images (B, 1, H, W) in [-1, 1]."""
    kind, weight = settings.adversarial, settings.mu_cyc
    batch = len(real_source)

    # --- generators ---
    state.discriminators.requires_grad_(False)
    with in_bfloat16(real_source.device):
        if settings.identity_weight > 0:
            # Translation and identity in one call: instance norm keeps the images of a batch apart.
            both = torch.cat([real_source, real_target])
            fake_target, same_target = state.to_target(both).float().split(batch)
            same_source, fake_source = state.to_source(both).float().split(batch)
            identity = losses.identity(real_target, same_target) + losses.identity(real_source, same_source)
        else:
            fake_target, fake_source = state.to_target(real_source).float(), state.to_source(real_target).float()
            identity = real_source.new_zeros(())
        generator_target = losses.generator_adversarial(state.judge_target(fake_target).float(), kind)
        generator_source = losses.generator_adversarial(state.judge_source(fake_source).float(), kind)
        cycle_source = losses.cycle(real_source, state.to_source(fake_target).float())
        cycle_target = losses.cycle(real_target, state.to_target(fake_source).float())
    total = generator_target + generator_source + weight * (cycle_source + cycle_target)
    total = total + weight * settings.identity_weight * identity
    state.optimiser_g.zero_grad()
    total.backward()
    state.optimiser_g.step()

    # --- discriminators ---
    state.discriminators.requires_grad_(True)
    shown_target = state.pool_target.exchange(fake_target.detach(), rng)
    shown_source = state.pool_source.exchange(fake_source.detach(), rng)
    with in_bfloat16(real_source.device):
        real, fake = state.judge_target(torch.cat([real_target, shown_target])).float().split(batch)
        discriminator_target = losses.discriminator_adversarial(real, fake, kind)
        real, fake = state.judge_source(torch.cat([real_source, shown_source])).float().split(batch)
        discriminator_source = losses.discriminator_adversarial(real, fake, kind)
    state.optimiser_d.zero_grad()
    (discriminator_target + discriminator_source).backward()
    state.optimiser_d.step()

    return {
        "generator_target": generator_target.detach(),
        "generator_source": generator_source.detach(),
        "cycle_source": cycle_source.detach(),
        "cycle_target": cycle_target.detach(),
        "identity": identity.detach(),
        "discriminator_target": discriminator_target.detach(),
        "discriminator_source": discriminator_source.detach(),
    }


class _State:
    """All that changes while training, and its checkpoint."""

    def __init__(self, settings: CycleGANSettings, seed: int, device: torch.device) -> None:
        # Drawn on the CPU, so that every device starts from the same weights.
        draw = torch_generator(derive(seed, "weights"), torch.device("cpu"))
        size_g = (settings.generator_width, settings.residual_blocks, settings.generator_halvings)
        size_d = (settings.discriminator_width, settings.discriminator_layers)
        self.to_target, self.to_source = Generator(*size_g), Generator(*size_g)
        self.judge_target, self.judge_source = Discriminator(*size_d), Discriminator(*size_d)
        self.generators = nn.ModuleList([self.to_target, self.to_source])
        self.discriminators = nn.ModuleList([self.judge_target, self.judge_source])
        for networks in (self.generators, self.discriminators):
            initialise(networks, draw)
            # Tensor cores want channels last; a CPU would pay for it with a copy at every instance norm.
            layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
            networks.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.optimiser_g, self.optimiser_d = (
            torch.optim.Adam(networks.parameters(), settings.learning_rate, settings.betas, foreach=True)
            for networks in (self.generators, self.discriminators)
        )
        self.pool_target, self.pool_source = ImagePool(settings.pool_size), ImagePool(settings.pool_size)
        self.history: list[dict[str, float]] = []

    def set_learning_rate(self, rate: float) -> None:
        for group in self.optimiser_g.param_groups + self.optimiser_d.param_groups:
            group["lr"] = rate

    def _stateful(self) -> list[Any]:
        return [self.generators, self.discriminators, self.optimiser_g, self.optimiser_d]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        pools = (self.pool_target, self.pool_source)
        torch.save(
            {
                "states": [module.state_dict() for module in self._stateful()],
                "pools": [pool.images for pool in pools],
                "history": self.history,
            },
            partial,
        )
        partial.replace(path)

    def restore(self, path: Path, device: torch.device) -> None:
        if not path.is_file():
            return
        saved = torch.load(path, map_location=device, weights_only=True)
        for module, state in zip(self._stateful(), saved["states"], strict=True):
            module.load_state_dict(state)
        self.pool_target.images, self.pool_source.images = saved["pools"]
        self.history = saved["history"]


def _learning_rate(epoch: int, settings: CycleGANSettings) -> float:
    """Full for `epochs`, then linearly down, never quite to 0 (official code); epochs count from 1."""
    past = max(0, epoch - settings.epochs)
    return settings.learning_rate * (1.0 - past / (settings.decay_epochs + 1))
