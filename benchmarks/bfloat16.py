"""The demonstration's networks, forward and backward, in bfloat16 against float32, turn by turn.

    python benchmarks/bfloat16.py --turns 9

nnU-Net's with one patch batch, as it is laid out for a processor against as it is built, the CycleGAN's generator with
one batch of slices, on one thread. Without bfloat16 the first is what the layout gives, and the second is 1.
"""

import copy

import click
import torch
from harness import Figure, in_turns, publish
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from gbaseg import params
from gbaseg.runtime.device import has_amx, has_bfloat16
from gbaseg.runtime.precision import in_bfloat16, suit
from gbaseg.segmentation.planning import CONFIGURATION, adapt_plans
from gbaseg.segmentation.settings import NetworkSettings
from gbaseg.translation.networks import Generator

STEPS = 5
CPU = torch.device("cpu")


def network_of(settings: NetworkSettings, spacing_zyx_mm: tuple[float, float, float]) -> torch.nn.Module:
    """The network that nnU-Net builds for the plans of these settings."""
    planned = {
        "n_stages": 4,
        "features_per_stage": [32, 64, 128, 256],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3]] * 4,
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * 3,
        "n_conv_per_stage": [2] * 4,
        "n_conv_per_stage_decoder": [2] * 3,
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    configuration = {"patch_size": [16, 48, 48], "architecture": {"arch_kwargs": planned}}
    plans = adapt_plans(
        {"transpose_forward": [0, 1, 2], "configurations": {CONFIGURATION: configuration}}, settings, spacing_zyx_mm
    )
    return get_network_from_plans(
        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        plans["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"],
        ["conv_op", "norm_op", "dropout_op", "nonlin"],
        1,
        2,
        deep_supervision=True,
    )


class Half(torch.nn.Module):
    """A generator as the training step calls it on a processor with bfloat16."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with in_bfloat16(CPU):
            return self.network(images).float()


def passes(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Forward and backward."""
    for _ in range(STEPS):
        found = network(images)
        sum(scale.square().mean() for scale in (found if isinstance(found, list) else [found])).backward()


def compare(what: str, plain: torch.nn.Module, half: torch.nn.Module, images: torch.Tensor, turns: int) -> Figure:
    """Both, turn by turn."""
    for network in (plain, half):
        passes(network, images)  # the first passes choose kernels
    about = f"{what}, {STEPS} passes of {' x '.join(map(str, images.shape))}, one thread"
    note = ""
    if not has_bfloat16():
        note = "this processor has no bfloat16"
    elif has_amx() and images.ndim == 5:
        note = "trained in float32, as the processor has AMX: the layout alone"
    return in_turns(about, lambda: passes(half, images), lambda: passes(plain, images), turns, "float32", note=note)


@click.command(help=__doc__)
@click.option("--turns", default=9, show_default=True, type=click.IntRange(min=1))
def main(turns: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = params.load()
    network, (x, y, z) = settings.segmentation.network, settings.standardise.spacing_xyz_mm
    if network.patch_size_zyx is None or network.batch_size is None:
        raise click.ClickException("params.yaml: segmentation.network: patch_size_zyx and batch_size have to be there")
    plain = network_of(network, (z, y, x))
    half = copy.deepcopy(plain)
    suit(half, CPU)
    patches = torch.rand(network.batch_size, 1, *network.patch_size_zyx)
    cyclegan = settings.translation.cyclegan
    generator = Generator(cyclegan.generator_width, cyclegan.residual_blocks, cyclegan.generator_halvings)
    slices = torch.rand(cyclegan.batch_size, 1, *(cyclegan.crop_yx or (256, 256)))
    figures = [
        compare("nnU-Net in bfloat16", plain, half, patches, turns),
        compare("CycleGAN's generator in bfloat16", generator, Half(copy.deepcopy(generator)), slices, turns),
    ]
    publish("bfloat16", figures)


if __name__ == "__main__":
    main()
