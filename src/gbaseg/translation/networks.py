"""The CycleGAN's networks: a ResNet generator and a PatchGAN discriminator, one channel, intensities in [-1, 1].

The architecture and the initialisation are those of the official CycleGAN code, which the paper's authors used
(METHOD 3): reflection padding, instance norm without learned scale, biases in every convolution, weights from
N(0, 0.02). Outside this file and `step.py` intensities are in [0, 1]; `to_network` and `from_network` convert.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_INITIAL_SD = 0.02


def to_network(image: Tensor) -> Tensor:
    """Intensities in [0, 1] to the networks' [-1, 1]."""
    return image * 2.0 - 1.0


def from_network(image: Tensor) -> Tensor:
    """The networks' [-1, 1] to intensities in [0, 1]."""
    return (image + 1.0) * 0.5


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is carried on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.body(x)


class Generator(nn.Module):
    """ResNet generator: 7 x 7 in, down, residual blocks, up, 7 x 7 out, tanh.

    Args:
        width: channels after the first convolution; each halving of the image doubles them.
        blocks: residual blocks; 9 in the paper.
        halvings: of height and width before the residual blocks, undone after them; 2 in the paper.
    """

    def __init__(self, width: int = 64, blocks: int = 9, halvings: int = 2) -> None:
        super().__init__()
        self.width, self.blocks, self.halvings = width, blocks, halvings
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(1, width, 7), *_norm_relu(width)]
        channels = width
        for _ in range(halvings):
            layers += [nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), *_norm_relu(2 * channels)]
            channels *= 2
        layers += [ResidualBlock(channels) for _ in range(blocks)]
        for _ in range(halvings):
            up = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
            channels //= 2
            layers += [up, *_norm_relu(channels)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Tanh()]
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) in [-1, 1] -> the same; any H, W >= 8 (padded to a multiple of the stride and cropped back)."""
        height, width = x.shape[-2:]
        # All stride-2 layers must undo each other exactly.
        stride = 2**self.halvings
        below, right = -height % stride, -width % stride
        if below or right:
            return self.net(functional.pad(x, (0, right, 0, below), mode="replicate"))[..., :height, :width]
        return self.net(x)


class Discriminator(nn.Module):
    """PatchGAN: one logit for each overlapping patch of the image, 70 x 70 pixels for 3 layers.

    Args:
        width: channels of the first layer; doubled by each further one, up to 8 x width.
        layers: stride-2 convolutions.
    """

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(1, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        channels = width
        for depth in range(1, layers + 1):
            wider = width * min(2**depth, 8)
            stride = 2 if depth < layers else 1
            parts += [
                nn.Conv2d(channels, wider, 4, stride=stride, padding=1),
                nn.InstanceNorm2d(wider),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            channels = wider
        parts.append(nn.Conv2d(channels, 1, 4, padding=1))
        self.net = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) in [-1, 1] -> logits (B, 1, h, w)."""
        return self.net(x)


def smallest_input(layers: int) -> int:
    """The least height and width for which a discriminator of `layers` gives a logit, and norms of > 1 pixel."""
    # Down by 2^layers, then two 4 x 4 convolutions with padding 1 that take 1 pixel each.
    return 3 * 2**layers


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights from N(0, 0.02) and set all biases to 0, in place; the generator is a CPU one."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, _INITIAL_SD, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _norm_relu(channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)]
