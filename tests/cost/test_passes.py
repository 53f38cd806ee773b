"""The closed forms against torch's own counter, on the networks that are trained."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gbaseg.augmentation.singan.networks import Discriminator as SinGANDiscriminator
from gbaseg.augmentation.singan.networks import Generator as SinGANGenerator
from gbaseg.cost import passes
from gbaseg.translation.networks import Discriminator, Generator


def counted(network, *shapes):
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.to("meta").train()(*(torch.empty(shape) for shape in shapes))
    return counter.get_total_flops()


@pytest.mark.parametrize(("width", "blocks", "halvings"), [(16, 3, 1), (4, 2, 2), (64, 9, 2), (8, 0, 0)])
@pytest.mark.parametrize("shape", [(48, 48), (33, 58)])
def test_the_cyclegans_generator(width, blocks, halvings, shape):
    found = passes.generator(3, shape, width, blocks, halvings)
    assert found == counted(Generator(width, blocks, halvings), (3, 1, *shape))


@pytest.mark.parametrize(("width", "layers"), [(16, 2), (4, 1), (64, 3), (2, 5)])
@pytest.mark.parametrize("shape", [(96, 96), (97, 130)])
def test_the_cyclegans_discriminator(width, layers, shape):
    found = passes.discriminator(2, shape, width, layers)
    assert found == counted(Discriminator(width, layers), (2, 1, *shape))


@pytest.mark.parametrize(("shape", "width"), [((25, 25), 32), ((60, 41), 8)])
def test_a_scale_of_singan(shape, width):
    found = passes.singan(shape, width)
    image, with_margin = (1, 1, *shape), (1, 1, *(side + 10 for side in shape))
    assert found == counted(SinGANGenerator(width), image, image)
    assert found == counted(SinGANDiscriminator(width), with_margin)


@pytest.mark.parametrize(
    ("batch", "patch", "features", "convolutions"),
    [
        (2, (16, 48, 48), (8, 32, 64, 96), 1),
        (2, (64, 160, 160), (32, 64, 128, 256, 320, 320), 2),
        (1, (16, 32, 32), (4, 8), 3),
    ],
)
def test_nnu_nets_network(batch, patch, features, convolutions):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    strides = [
        [1 if stage == 0 or edge // 2 ** (stage - 1) < 8 else 2 for edge in patch] for stage in range(len(features))
    ]
    network = PlainConvUNet(
        1, len(features), features, nn.Conv3d, 3, strides, convolutions, 2, convolutions, conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"affine": True}, nonlin=nn.LeakyReLU, deep_supervision=True,
    )  # fmt: skip
    assert passes.unet(batch, patch, features, convolutions, 2, 8) == counted(network, (batch, 1, *patch))


def test_a_run_is_forecast_without_torch():
    """Seconds before anything is said."""
    code = (
        "import sys, gbaseg.cost.work, gbaseg.cost.speeds; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
