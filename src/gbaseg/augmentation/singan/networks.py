"""Generator and discriminator of one scale (Shaham et al. 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS = 5
SLOPE = 0.2  # of the leaky ReLUs
# Five unpadded 3 x 3 convolutions take this many pixels from each side; one output sees 11 x 11.
MARGIN = LAYERS
# Rows and columns of an image.
Window = tuple[slice, slice]


def _block(channels_in: int, channels_out: int, models: int) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels_out, 3, groups=models), nn.BatchNorm2d(channels_out), nn.LeakyReLU(SLOPE)]


def _convolutions(width: int, models: int) -> nn.Sequential:
    """Five 3 x 3 convolutions, the last one plain: 28,609 / 112,513 / 446,209 parameters for width 32 / 64 / 128."""
    wide = width * models
    body = [layer for _ in range(LAYERS - 2) for layer in _block(wide, wide, models)]
    return nn.Sequential(*_block(models, wide, models), *body, nn.Conv2d(wide, models, 3, groups=models))


class Generator(nn.Module):
    """Adds detail to an image of its scale: prior + tanh(convolutions(noise + prior))."""

    def __init__(self, width: int, models: int = 1) -> None:
        """`width` channels for each of `models` side by side (`bank`)."""
        super().__init__()
        self.width = width
        self.layers = _convolutions(width, models)

    def forward(self, noise: Tensor, prior: Tensor, window: Window | None = None) -> Tensor:
        """
        Args:
            noise: (N, M, H, W), of the scale's amplitude; M models.
            prior: (N, M, H, W), the image of the scale below, brought to this size.
            window: rows and columns that are wanted; None: all.

        Returns:
            (N, M, H, W); outside the window the prior.
        """
        # Padded once here, not at each layer: a border of zeros inside would give the position away.
        padded = F.pad(noise + prior, (MARGIN,) * 4)
        if window is None:
            return prior + torch.tanh(self.layers(padded))
        rows, columns = (slice(side.start, side.stop + 2 * MARGIN) for side in window)
        images = prior.clone()
        images[..., *window] += torch.tanh(self.layers(padded[..., rows, columns]))
        return images


class Discriminator(nn.Module):
    """Scores every 11 x 11 patch: (N, M, H, W) to (N, M, H - 10, W - 10), no bounds (Wasserstein critic)."""

    def __init__(self, width: int, models: int = 1) -> None:
        """`width` channels for each of `models` side by side (`bank`)."""
        super().__init__()
        self.width = width
        self.layers = _convolutions(width, models)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def initialise(network: nn.Module, draw: torch.Generator) -> None:
    """Draw the starting weights: convolutions N(0, 0.02), batch-norm scales N(1, 0.02), from a CPU generator.

    Everything is drawn from `draw`, biases too (torch's own uniform rule), so that one seed gives one network
    whatever the global generator did before.
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.normal_(0.0, 0.02, generator=draw)
                bound = (layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]) ** -0.5
                if layer.bias is not None:
                    layer.bias.uniform_(-bound, bound, generator=draw)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.normal_(1.0, 0.02, generator=draw)
                layer.bias.zero_()
