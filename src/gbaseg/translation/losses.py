"""The CycleGAN's losses (Eq. 1 to 3). Discriminators give logits; D(x) of Eq. 1 is their sigmoid."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

Adversarial = Literal["least_squares", "log"]


def generator_adversarial(logits_fake: Tensor, kind: Adversarial) -> Tensor:
    """What a generator minimises to pass for real: mean (d - 1)^2, or mean -log D for `log`.

    Eq. 1 taken literally has the generator minimise log(1 - D), which gives no gradient while D is sure. Its
    usual stand-in -log D has the same fixed point, and is what the official code does.
    """
    if kind == "least_squares":
        return (logits_fake - 1.0).square().mean()
    return functional.softplus(-logits_fake).mean()


def discriminator_adversarial(logits_real: Tensor, logits_fake: Tensor, kind: Adversarial) -> Tensor:
    """What a discriminator minimises: half the sum of its losses on real and on translated patches.

    least_squares: (mean (d_real - 1)^2 + mean d_fake^2) / 2.
    log: -(E[log D(real)] + E[log(1 - D(fake))]) / 2, Eq. 1 but for the factor (official code).
    """
    if kind == "least_squares":
        return 0.5 * ((logits_real - 1.0).square().mean() + logits_fake.square().mean())
    return 0.5 * (functional.softplus(-logits_real).mean() + functional.softplus(logits_fake).mean())


def cycle(image: Tensor, there_and_back: Tensor) -> Tensor:
    """Mean |F(G(x)) - x| (Eq. 2); Eq. 3 adds it for both directions, times mu_cyc."""
    return functional.l1_loss(there_and_back, image)


def identity(image: Tensor, translated: Tensor) -> Tensor:
    """Mean |G(y) - y| for y that is already of the target domain: nothing is to change (official code)."""
    return functional.l1_loss(translated, image)
