"""nnU-Net's network of the demonstration, forward and backward, in bfloat16 against float32, turn by turn.

    python benchmarks/bfloat16.py --turns 9

Prints one JSON line: median milliseconds of each on one thread, median ratio float32 / bfloat16. A ratio of about 1 is
what a processor without bfloat16 gives.
"""

import copy
import json
import statistics
import time

import click
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from gbaseg import params
from gbaseg.runtime.device import has_bfloat16
from gbaseg.segmentation.planning import CONFIGURATION, adapt_plans
from gbaseg.segmentation.precision import use_bfloat16
from gbaseg.segmentation.settings import NetworkSettings

STEPS = 5


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


def milliseconds(network: torch.nn.Module, images: torch.Tensor) -> float:
    """Of one forward and backward pass."""
    started = time.perf_counter()
    for _ in range(STEPS):
        sum(scale.square().mean() for scale in network(images)).backward()
    return (time.perf_counter() - started) / STEPS * 1000


@click.command(help=__doc__)
@click.option("--turns", default=9, show_default=True, type=click.IntRange(min=1))
def main(turns: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = params.load()
    network, (x, y, z) = settings.segmentation.network, settings.standardise.spacing_xyz_mm
    plain = network_of(network, (z, y, x))
    half = copy.deepcopy(plain)
    use_bfloat16(half, torch.device("cpu"))
    images = torch.rand(network.batch_size, 1, *network.patch_size_zyx)
    milliseconds(plain, images), milliseconds(half, images)  # the first passes choose kernels
    pairs = [(milliseconds(plain, images), milliseconds(half, images)) for _ in range(turns)]
    result = {
        "processor_has_bfloat16": has_bfloat16(),
        "patch_zyx": network.patch_size_zyx,
        "turns": turns,
        "float32_ms": round(statistics.median(a for a, _ in pairs), 1),
        "bfloat16_ms": round(statistics.median(b for _, b in pairs), 1),
        "ratio": round(statistics.median(a / b for a, b in pairs), 2),
    }
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
